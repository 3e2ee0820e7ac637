//! A table whose places are reused, with keys that do not outlive their entry.
//!
//! Stands alone because channels and calls point at each other all the time and a stale pointer must be harmless: a
//! [`Key`] whose entry is gone finds nothing. Memory is the high-water mark of entries at once, never more than the
//! number of entries ever. The caller keeps the cap.

use serde::{Deserialize, Serialize};

/// Names one entry for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    index: u32,
    generation: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Place<T> {
    generation: u32,
    entry: Option<T>,
}

/// The table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Slab<T> {
    places: Vec<Place<T>>,
    #[serde(skip)]
    free: Vec<u32>,
    #[serde(skip)]
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// Entries in the table.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an entry into a free place.
    pub fn insert(&mut self, entry: T) -> Key {
        self.len += 1;
        if let Some(index) = self.free.pop()
            && let Some(place) = self.places.get_mut(index as usize)
        {
            place.entry = Some(entry);
            return Key { index, generation: place.generation };
        }
        let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place { generation: 0, entry: Some(entry) });
        Key { index, generation: 0 }
    }

    /// Takes an entry out; its key finds nothing from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(key.index as usize).filter(|place| place.generation == key.generation)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        self.len -= 1;
        Some(entry)
    }

    /// The entry of this key.
    pub fn get(&self, key: Key) -> Option<&T> {
        let place = self.places.get(key.index as usize)?;
        place.entry.as_ref().filter(|_| place.generation == key.generation)
    }

    /// The entry of this key, to change it.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.index as usize)?;
        let generation = place.generation;
        place.entry.as_mut().filter(|_| generation == key.generation)
    }

    /// All entries with their keys, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        (0u32..).zip(&self.places).filter_map(|(index, place)| {
            place.entry.as_ref().map(|entry| (Key { index, generation: place.generation }, entry))
        })
    }

    /// All entries, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        (0u32..).zip(&mut self.places).filter_map(|(index, place)| {
            let generation = place.generation;
            place.entry.as_mut().map(|entry| (Key { index, generation }, entry))
        })
    }

    /// Makes a table that was read back usable: counts it anew and cuts it at `cap` places.
    pub fn after_reading(mut self, cap: usize) -> Self {
        self.places.truncate(cap);
        self.len = self.places.iter().filter(|place| place.entry.is_some()).count();
        self.free =
            (0u32..).zip(&self.places).filter(|(_, place)| place.entry.is_none()).map(|(index, _)| index).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_dies_with_its_entry() {
        let mut slab = Slab::default();
        let one = slab.insert("one");
        assert_eq!(slab.remove(one), Some("one"));
        let two = slab.insert("two");
        assert_eq!(slab.get(one), None);
        assert_eq!(slab.remove(one), None);
        assert_eq!(slab.get(two), Some(&"two"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn places_are_reused() {
        let mut slab = Slab::default();
        for n in 0..1000 {
            let key = slab.insert(n);
            slab.remove(key);
        }
        assert_eq!(slab.places.len(), 1);
    }

    #[test]
    fn survives_being_written_and_read() {
        let mut slab = Slab::default();
        let keys: Vec<Key> = (0..4).map(|n| slab.insert(n)).collect();
        slab.remove(keys[1]);
        let text = serde_json::to_string(&slab).expect("written");
        let read: Slab<i32> = serde_json::from_str(&text).expect("read");
        let mut read = read.after_reading(16);
        assert_eq!((read.len(), read.get(keys[2]), read.get(keys[1])), (3, Some(&2), None));
        read.insert(9);
        assert_eq!((read.len(), read.places.len()), (4, 4));
    }
}
