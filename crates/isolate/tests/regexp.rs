//! The engine runs a regular expression at most five times when it is interrupted: one that takes long must be left alone, and
//! stopped at its limit. In a file of its own, because other isolates of the process change its memory.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{isolate, on_thread, run_for, termination, text};
use isolate::Termination;

#[test]
fn a_long_regular_expression_is_left_alone_until_its_limit() {
    on_thread(60, || {
        let (mut isolate, _) = isolate();
        assert_eq!(text(&mut isolate, "String(/a+b/.test('a'.repeat(25000)))"), "false");
        let entry = run_for(&mut isolate, Some(Duration::from_secs(1)), "/(x+x+)+y/.test('x'.repeat(50))");
        assert!(entry.cpu < Duration::from_millis(1500), "{:?}", entry.cpu);
        assert!(matches!(termination(entry), Termination::CpuLimit { .. }));
    });
}
