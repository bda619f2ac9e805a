//! The trigrams of a text, by which records that may contain it are found.

use std::collections::BTreeSet;

/// All trigrams of a text, each as a quoted term of SQLite's FTS5, which makes those of the records itself.
pub(crate) fn terms(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut query = String::new();
    for three in characters.windows(3) {
        if !query.is_empty() {
            query.push_str(" AND ");
        }
        query.push('"');
        for &character in three {
            if character == '"' {
                query.push('"');
            }
            query.push(character);
        }
        query.push('"');
    }
    query
}

/// All trigrams of a text in lower case as numbers. Different ones may have the same number: who finds something by them looks
/// at the text itself.
pub(crate) fn numbers(text: &str) -> Vec<i32> {
    let characters: Vec<char> = text.to_lowercase().chars().collect();
    let number = |three: &[char]| {
        // FNV-1a.
        let hash = three.iter().flat_map(|character| u32::from(*character).to_le_bytes());
        hash.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)).cast_signed()
    };
    characters.windows(3).map(number).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_all_trigrams_of_its_text() {
        assert_eq!(terms("abc"), "\"abc\"");
        assert_eq!(terms("a\"bü"), "\"a\"\"b\" AND \"\"\"bü\"");
    }

    #[test]
    fn the_trigrams_of_a_part_are_among_those_of_the_whole() {
        let whole = numbers("The Quick brown fox über alles, and again the quick");
        assert!(
            ["the quick", "THE", "Über a", "fox"]
                .iter()
                .all(|part| { numbers(part).iter().all(|number| whole.binary_search(number).is_ok()) })
        );
        assert!(numbers("absent").iter().any(|number| whole.binary_search(number).is_err()));
        assert!(numbers("ab").is_empty());
    }
}
