//! What Styx 2.x reads and writes, and what we do. `STYX_VECTORS` names a folder with other files of the same kind.

#[path = "../../styx-core/tests/vectors/harness.rs"]
mod harness;
#[path = "vectors/json.rs"]
mod json;

#[test]
fn vectors_json() {
    harness::run_with_quirks("json", json::RULES, json::quirks, json::check);
}
