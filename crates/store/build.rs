//! The migrations are embedded: a new one must rebuild the crate.

fn main() {
    for engine in ["sqlite", "postgres"] {
        println!("cargo:rerun-if-changed=migrations/{engine}");
    }
}
