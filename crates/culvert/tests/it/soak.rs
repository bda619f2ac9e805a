//! Isolates that are made and ended by the thousand leave nothing behind.

use crate::harness::Edge;
use crate::torture::{deploy, resident};

/// More Workers than there is room for isolates, so that each call needs a new one.
const WORKERS: usize = 100;
const ISOLATES: usize = 10_000;
/// What some of them do last. No divisor of [`WORKERS`], so that each does it at some time.
const LAST: [&str; 3] = [
    "setTimeout(() => {}, 1e6); return new Response(new ReadableStream({ start(c) { c.close(); } }));",
    "throw new Error('no');",
    "for (;;);",
];
/// By then everything that is kept once has been made.
const WARM: usize = 2_000;
/// How much more may be resident in the end than when warm, in MiB: what the allocator's arenas differ by, less than a five hundredth of what the
/// isolates have used.
const GROWTH: usize = 48;

#[test]
fn ten_thousand_isolates_leave_no_memory_behind() {
    let edge = Edge::start_with(&["--isolate-memory-mib", "32", "--isolates-memory-mib", "128"]);
    let token = format!("Bearer {}", edge.token());
    // They leave in different ways: at rest, with a timer that is still to come, after an exception, stopped at their CPU limit.
    let module = |last: &str| {
        format!(
            "let calls = 0; const ballast = new Uint8Array(1e6).fill(1);
             export default {{ fetch(request) {{
               if (new URL(request.url).pathname === '/') return new Response(`${{++calls}} ${{ballast.length}}`);
               {last}
             }} }};"
        )
    };
    for worker in 0..WORKERS {
        let last = LAST[worker % LAST.len()];
        deploy(&edge, &token, &format!("soak-{worker}"), &module(last), 50);
    }
    let mut warm = 0;
    let mut made = 0;
    for call in 0.. {
        let answer = edge.get(&format!("soak-{}", call % WORKERS), "/");
        // Now and then those that are to make way have not ended yet.
        assert!(answer.status == 200 || answer.text() == "error code: 1105", "{}", answer.text());
        made += usize::from(answer.text() == "1 1000000");
        if call % 10 == 0 {
            edge.get(&format!("soak-{}", call % WORKERS), "/last");
        }
        if warm == 0 && made == WARM {
            warm = resident(&edge);
        }
        if made == ISOLATES {
            break;
        }
        assert!(call < 2 * ISOLATES, "of {call} calls only {made} made an isolate");
    }
    let resident = resident(&edge);
    println!("{warm} MiB resident after {WARM} isolates, {resident} MiB after {ISOLATES}");
    assert!(resident <= warm + GROWTH, "{warm} MiB after {WARM} isolates, {resident} MiB after {ISOLATES}");
}
