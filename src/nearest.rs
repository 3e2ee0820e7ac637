//! What was probably meant: the known word nearest to a mistyped one.
//!
//! Serves the configuration's keys and the command line alike. Compares at most `LONGEST` bytes of ASCII words, so its
//! cost is bounded; a word that is nothing like any known one gets no suggestion rather than a silly one.

/// Longer words are not compared: no key or command comes near.
const LONGEST: usize = 32;

/// The nearest of `known` to `word`, if a slip of the fingers explains the difference.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips = (word.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= slips && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to add, drop, change or swap with their neighbour (optimal string alignment), without case, `-` and `_`
/// being one letter.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let fold = |c: u8| if c == b'-' { b'_' } else { c.to_ascii_lowercase() };
    let (mut older, mut above): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    let mut last_a = None;
    for (row, x) in a.bytes().map(fold).enumerate() {
        let mut here = vec![row + 1];
        let mut last_b = None;
        for (column, y) in b.bytes().map(fold).enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (at(&above, column) + usize::from(x != y)).min(at(&above, column + 1) + 1);
            cost = cost.min(at(&here, column) + 1);
            if column > 0 && last_a == Some(y) && last_b == Some(x) {
                cost = cost.min(at(&older, column - 1) + 1);
            }
            here.push(cost);
            last_b = Some(y);
        }
        older = core::mem::replace(&mut above, here);
        last_a = Some(x);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["name", "host", "port", "username", "show_card"];

    #[test]
    fn slips_of_the_fingers_are_understood() {
        for (typed, meant) in
            [("hsot", "host"), ("usrname", "username"), ("Port", "port"), ("show-card", "show_card"), ("nam", "name")]
        {
            assert_eq!(nearest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn strangers_get_no_suggestion() {
        for typed in ["", "x", "codec", "пароль", "a_very_long_word_that_nobody_would_ever_type_for_a_key"] {
            assert_eq!(nearest(typed, KEYS), None, "{typed}");
        }
    }
}
