//! The records of the CRM, found by number and by id.
//!
//! It stands alone because a test of a hundred thousand calls creates as many leads: both ways of
//! finding are indexed. Numbers are compared by their digits, a leading Russian 8 read as 7; the
//! vendor's parser knows more countries.
//!
//! Bounds: a record is created by a registered call at most twice, so the cap on calls is its cap.

use std::collections::HashMap;

use crate::config::{Entity, EntityType};

/// All records.
#[derive(Debug, Default)]
pub(crate) struct Crm {
    entities: Vec<Entity>,
    by_id: HashMap<(EntityType, u64), usize>,
    by_phone: HashMap<String, Vec<usize>>,
}

impl Crm {
    pub(crate) fn new(entities: Vec<Entity>) -> Self {
        let mut crm = Self::default();
        entities.into_iter().for_each(|entity| crm.add(entity));
        crm
    }

    pub(crate) fn all(&self) -> &[Entity] {
        &self.entities
    }

    pub(crate) fn add(&mut self, entity: Entity) {
        let index = self.entities.len();
        self.by_id.insert((entity.kind, entity.id), index);
        self.by_phone.entry(normal(&entity.phone)).or_default().push(index);
        self.entities.push(entity);
    }

    pub(crate) fn has(&self, entity: (EntityType, u64)) -> bool {
        self.by_id.contains_key(&entity)
    }

    /// Makes a user responsible.
    pub(crate) fn assign(&mut self, entity: (EntityType, u64), user: u64) {
        if let Some(entity) = self.by_id.get(&entity).and_then(|index| self.entities.get_mut(*index)) {
            entity.assigned_to = user;
        }
    }

    /// The records with this number: contacts, then leads, then companies.
    pub(crate) fn by_phone(&self, phone: &str) -> Vec<&Entity> {
        let indices = self.by_phone.get(&normal(phone)).map(Vec::as_slice).unwrap_or_default();
        let found: Vec<&Entity> = indices.iter().filter_map(|index| self.entities.get(*index)).collect();
        let order = [EntityType::Contact, EntityType::Lead, EntityType::Company];
        order.iter().flat_map(|kind| found.iter().filter(move |entity| entity.kind == *kind)).copied().collect()
    }
}

/// The digits of a number, with the Russian trunk prefix 8 as country code 7.
fn normal(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix('8') {
        Some(rest) if digits.len() == 11 && !phone.starts_with('+') => format!("7{rest}"),
        _ => digits,
    }
}
