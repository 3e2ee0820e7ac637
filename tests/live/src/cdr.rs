//! The exchange's own list of calls, `Master.csv`.

/// One record of Asterisk's CDR list. An office call may make several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cdr {
    /// Calling number.
    pub source: String,
    /// Called extension, where the dialplan ended.
    pub destination: String,
    /// Context of the destination.
    pub context: String,
    /// The calling channel.
    pub channel: String,
    /// The called channel; empty if nobody was dialled.
    pub destination_channel: String,
    /// Seconds from start to end.
    pub duration: u64,
    /// Seconds from answer to end.
    pub billed: u64,
    /// ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION.
    pub disposition: String,
    /// The calling channel's unique id.
    pub unique_id: String,
    /// What all channels of one call share.
    pub linked_id: String,
}

impl Cdr {
    /// Reads the list; lines that are not records are left out.
    #[must_use]
    pub fn list(csv: &str) -> Vec<Cdr> {
        csv.lines().filter_map(Cdr::of_line).collect()
    }

    // accountcode src dst dcontext clid channel dstchannel lastapp lastdata
    // start answer end duration billsec disposition amaflags uniqueid userfield
    // peeraccount linkedid sequence
    fn of_line(line: &str) -> Option<Cdr> {
        let fields = fields(line);
        let field = |at: usize| fields.get(at).cloned();
        Some(Cdr {
            source: field(1)?,
            destination: field(2)?,
            context: field(3)?,
            channel: field(5)?,
            destination_channel: field(6)?,
            duration: field(12)?.parse().ok()?,
            billed: field(13)?.parse().ok()?,
            disposition: field(14)?,
            unique_id: field(16)?,
            linked_id: field(19)?,
        })
    }
}

/// Splits a CSV line; a quote inside a quoted field is doubled.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut fields, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => push(&mut fields, other),
        }
    }
    fields
}

fn push(fields: &mut [String], char: char) {
    if let Some(last) = fields.last_mut() {
        last.push(char);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_record_with_quotes_and_commas() {
        let csv = concat!(
            r#""","101","102","from-internal","""Ivan Petrov"" <101>","PJSIP/101-00000001","PJSIP/102-00000002","#,
            r#""Dial","PJSIP/102,20,tT","2026-11-21 21:32:09",,"2026-11-21 21:32:12",3,1,"ANSWERED","DOCUMENTATION","1795296729.6","","","1795296729.2",3"#,
            "\nnot a record\n",
        );
        let list = Cdr::list(csv);
        assert_eq!(list.len(), 1);
        assert!(list.iter().all(|cdr| cdr.source == "101"
            && cdr.destination_channel == "PJSIP/102-00000002"
            && (cdr.duration, cdr.billed) == (3, 1)
            && cdr.disposition == "ANSWERED"
            && cdr.unique_id == "1795296729.6"
            && cdr.linked_id == "1795296729.2"));
    }
}
