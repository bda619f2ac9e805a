//! What commands print: tables for people, JSON for scripts.

use std::io::Write;

use serde_json::Value;

/// Whether a line reached somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printed {
    /// It did.
    Yes,
    /// Standard output is closed (`culvert tail w | head`): the command may end.
    NobodyReads,
}

/// Prints one line at once.
pub fn print_line(line: &str) -> Printed {
    let mut output = std::io::stdout().lock();
    let written = writeln!(output, "{line}").and_then(|()| output.flush());
    if written.is_ok() { Printed::Yes } else { Printed::NobodyReads }
}

/// Prints a formatted line, like `println!`, which would panic where nobody reads any more.
macro_rules! say {
    () => { $crate::output::print_line("") };
    ($($words:tt)+) => { $crate::output::print_line(&format!($($words)+)) };
}
pub(crate) use say;

/// Prints a value as indented JSON.
pub fn print_json(value: &Value) {
    print_line(&format!("{value:#}"));
}

/// Prints rows below their headings, columns aligned, without lines.
pub fn print_table(headings: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain([headings[column].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let text: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        print_line(text.join("  ").trim_end());
    };
    line(&mut headings.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// The text of a member, or a dash.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("-")
}
