//! Numbered values: what JavaScript holds of something that lives in Rust.

/// Bits of a key that say which slot; the rest tell the slot's uses apart.
const SLOT_BITS: u32 = 24;
/// Uses after which a slot is given up, so that keys stay exact in a JavaScript number (53 bits).
const LAST_GENERATION: u64 = (1 << (52 - SLOT_BITS)) - 1;

/// Values by number. A number is never used twice and never 0, and an old number finds nothing.
pub(crate) struct Table<T> {
    slots: Vec<(u64, Option<T>)>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { slots: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Table<T> {
    /// Keeps a value. `None` when the table is full (16 million values).
    pub(crate) fn insert(&mut self, value: T) -> Option<u64> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < 1 << SLOT_BITS => {
                self.slots.push((0, None));
                u32::try_from(self.slots.len() - 1).ok()?
            }
            None => return None,
        };
        let entry = self.slots.get_mut(slot as usize)?;
        entry.0 += 1;
        entry.1 = Some(value);
        self.len += 1;
        Some(entry.0 << SLOT_BITS | u64::from(slot))
    }

    /// The value, if it is still there.
    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        let (generation, value) = self.slots.get_mut(slot_of(key))?;
        if *generation == key >> SLOT_BITS { value.as_mut() } else { None }
    }

    /// Takes the value out.
    pub(crate) fn remove(&mut self, key: u64) -> Option<T> {
        let slot = slot_of(key);
        let (generation, value) = self.slots.get_mut(slot)?;
        if *generation != key >> SLOT_BITS {
            return None;
        }
        let value = value.take()?;
        self.len -= 1;
        if *generation < LAST_GENERATION
            && let Ok(slot) = u32::try_from(slot)
        {
            self.free.push(slot);
        }
        Some(value)
    }

    /// Takes all values out for which `condition` holds.
    pub(crate) fn drain_where(&mut self, condition: impl Fn(&T) -> bool) -> Vec<(u64, T)> {
        if self.len == 0 {
            return Vec::new();
        }
        let keys: Vec<u64> = (0_u64..)
            .zip(&self.slots)
            .filter(|(_, (_, value))| value.as_ref().is_some_and(&condition))
            .map(|(slot, (generation, _))| generation << SLOT_BITS | slot)
            .collect();
        keys.into_iter().filter_map(|key| Some((key, self.remove(key)?))).collect()
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// The slot that a key names.
fn slot_of(key: u64) -> usize {
    usize::try_from(key & ((1 << SLOT_BITS) - 1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn old_keys_find_nothing() {
        let mut table = Table::default();
        let first = table.insert("a").unwrap();
        assert_ne!(first, 0);
        assert_eq!(table.remove(first), Some("a"));
        let second = table.insert("b").unwrap();
        assert_ne!(first, second);
        assert!(table.get_mut(first).is_none());
        assert!(table.remove(first).is_none());
        assert_eq!(table.get_mut(second), Some(&mut "b"));
        assert_eq!(table.len(), 1);
        assert!(table.get_mut(u64::MAX).is_none());
    }

    #[test]
    fn keys_are_exact_numbers() {
        let mut table = Table::default();
        for _ in 0..1000 {
            let key = table.insert(()).unwrap();
            assert_eq!(key as f64 as u64, key);
            table.remove(key);
        }
        const { assert!((LAST_GENERATION << SLOT_BITS) < 1 << 53) };
    }
}
