//! `telephony.externalLine.*`. All webhooks of a portal share one set of lines.

use super::{Call, Done, Failure};
use crate::records::Line;
use crate::value::Value;

pub(super) fn add(call: &mut Call<'_>) -> Result<Done, Failure> {
    let number = number(call)?;
    if call.state.lines.iter().any(|line| line.number == number) {
        return Err(Failure::plain("Line already exists"));
    }
    let name = call.params.at("NAME").to_text();
    let auto = call.params.at("CRM_AUTO_CREATE");
    let auto_create = !auto.is_set() || auto.as_str() == Some("Y");
    let id = call.state.next_id();
    call.state.lines.push(Line { id, number, name, auto_create });
    Ok(Value::map([("ID", id.into())]).into())
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Done, Failure> {
    let (name, auto) = (call.params.at("NAME").clone(), call.params.at("CRM_AUTO_CREATE").clone());
    if !name.is_set() && !auto.is_set() {
        return Err(Failure::plain("There are no fields to update"));
    }
    let number = number(call)?;
    let line = call.state.lines.iter_mut().find(|line| line.number == number).ok_or_else(|| missing(&number))?;
    if name.is_set() {
        line.name = name.to_text();
    }
    if auto.is_set() {
        line.auto_create = auto.as_str() == Some("Y");
    }
    Ok(Value::map([("ID", line.id.into())]).into())
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Done, Failure> {
    let number = number(call)?;
    let before = call.state.lines.len();
    call.state.lines.retain(|line| line.number != number);
    if call.state.lines.len() == before {
        return Err(missing(&number));
    }
    Ok(Value::List(Vec::new()).into())
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Done, Failure> {
    let lines = call.state.lines.iter().map(|line| {
        Value::map([
            ("NUMBER", line.number.clone().into()),
            ("NAME", line.name.clone().into()),
            ("CRM_AUTO_CREATE", if line.auto_create { "Y" } else { "N" }.into()),
        ])
    });
    Ok(Value::List(lines.collect()).into())
}

fn number(call: &Call<'_>) -> Result<String, Failure> {
    let number = call.params.at("NUMBER").to_text().trim().to_owned();
    if number.is_empty() { Err(Failure::plain("NUMBER should not be empty")) } else { Ok(number) }
}

fn missing(number: &str) -> Failure {
    Failure::plain(format!("Could not find line with number {number}"))
}
