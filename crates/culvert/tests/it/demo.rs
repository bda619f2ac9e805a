//! The demo is the main job: it ends with 0 when every step did what it says.

use crate::harness::culvert;

#[test]
fn the_demo_does_what_it_says() {
    let output = culvert().args(["demo", "--once"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    for said in ["ProxyError: connection_refused", "1101", "1102", "exceededCpu", "Every step did what it says"] {
        assert!(told.contains(said), "{said}: {told}");
    }
}
