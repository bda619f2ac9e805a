//! Console lines in the room that a record has for them: the largest are cut first, and marked; whole lines are left out only where there
//! are too many for that. Order is kept.

use serde_json::Value;

use crate::ConsoleLine;
use crate::details::json;

/// Stands at the end of a text that was cut.
const MARK: &str = "… [truncated]";
/// A line is not worth less.
const LEAST: usize = 512;

/// Makes the lines fit into so many bytes of JSON. None is cut below `floor` bytes for the sake of later ones.
pub(crate) fn fit(lines: &mut Vec<ConsoleLine>, room: usize, floor: usize) {
    let sizes: Vec<usize> = lines.iter().map(|line| json(line).len() + 1).collect();
    let most = largest(&sizes, room).max(floor);
    let mut left = room;
    let mut sizes = sizes.into_iter();
    lines.retain_mut(|line| {
        let mut size = sizes.next().unwrap_or(usize::MAX);
        if size > most.min(left) {
            // What is left is shared with those that follow, which may be small.
            let share = if most > left { left / 2 } else { most };
            if share < LEAST {
                return false;
            }
            cut_line(line, share - 1);
            size = json(line).len() + 1;
        }
        match left.checked_sub(size) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        }
    });
}

/// The largest size to which all may be cut, so that they fit together.
fn largest(sizes: &[usize], room: usize) -> usize {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable();
    let (mut left, mut count) = (room, sorted.len());
    for size in sorted {
        // What is smaller than its share leaves the rest of it to others.
        if size > left / count.max(1) {
            return left / count.max(1);
        }
        left -= size;
        count -= 1;
    }
    usize::MAX
}

/// Cuts the values of a line to so many bytes of JSON, the largest first. What is not a text becomes one.
fn cut_line(line: &mut ConsoleLine, most: usize) {
    let sizes: Vec<usize> = line.message.iter().map(|value| json(value).len() + 1).collect();
    let around = json(line).len().saturating_sub(sizes.iter().sum());
    let mut left = most.saturating_sub(around);
    let each = largest(&sizes, left).max(MARK.len() * 4);
    let mut sizes = sizes.into_iter();
    line.message.retain_mut(|value| {
        let mut size = sizes.next().unwrap_or(usize::MAX);
        if size > each {
            let text = match std::mem::take(value) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let cut = cut_text(&text, each.min(left).saturating_sub(1));
            size = json(&cut).len() + 1;
            *value = Value::String(cut);
        }
        match left.checked_sub(size) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        }
    });
}

/// The beginning of a text, and a mark: at most so many bytes of JSON where there is room for the mark.
fn cut_text(text: &str, most: usize) -> String {
    // Quotation marks are around it.
    let mut left = most.saturating_sub(MARK.len() + 2);
    let end = text.char_indices().find_map(|(place, character)| match left.checked_sub(escaped(character)) {
        Some(rest) => {
            left = rest;
            None
        }
        None => Some(place),
    });
    let kept = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    format!("{kept}{MARK}")
}

/// The bytes of a character in JSON.
fn escaped(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use fastrand::Rng;
    use serde_json::json;

    fn line(message: Vec<Value>) -> ConsoleLine {
        ConsoleLine { timestamp: 1_795_237_200_000, level: Level::Warn, message }
    }

    fn size(lines: &[ConsoleLine]) -> usize {
        lines.iter().map(|line| json(line).len() + 1).sum()
    }

    #[test]
    fn the_largest_give_way_first() {
        assert_eq!(largest(&[10, 20, 30], 60), usize::MAX);
        assert_eq!(largest(&[10, 20, 31], 60), 30);
        assert_eq!(largest(&[100, 100, 10], 60), 25);
        assert_eq!(largest(&[], 60), usize::MAX);
    }

    #[test]
    fn any_lines_fit_in_order_and_say_what_was_cut() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        for _ in 0..100 {
            let mut lines: Vec<ConsoleLine> = (0..rng.usize(0..60))
                .map(|number| {
                    let longest = if rng.u32(0..8) == 0 { 20_000 } else { 200 };
                    let text = |rng: &mut Rng| {
                        let letters = ["x", "\"", "ü", "\u{1}", "\n", "🙂"];
                        letters[rng.usize(0..letters.len())].repeat(rng.usize(0..longest))
                    };
                    let mut message = vec![Value::from(format!("{number}|{}", text(&mut rng)))];
                    message.extend((0..rng.usize(0..3)).map(|_| json!({ "a": text(&mut rng) })));
                    line(message)
                })
                .collect();
            let before = lines.clone();
            let room = rng.usize(0..30_000);
            fit(&mut lines, room, 4096);
            assert!(size(&lines) <= room, "{} of {room}", size(&lines));
            let number = |line: &ConsoleLine| -> Option<usize> {
                line.message.first()?.as_str()?.split('|').next()?.parse().ok()
            };
            let numbers: Vec<_> = lines.iter().filter_map(number).collect();
            assert!(numbers.is_sorted());
            if size(&before) <= room {
                assert_eq!(lines, before);
            }
            for kept in &lines {
                let Some(said) = number(kept).and_then(|number| before.get(number)) else { continue };
                let marked = kept.message.iter().any(|value| value.as_str().is_some_and(|text| text.ends_with(MARK)));
                assert!(kept == said || marked, "{kept:?}");
            }
        }
    }
}
