//! Resources.

use styx_client::Resource;

pub(crate) fn pretty(resources: &[Resource]) -> String {
    let header = format!("{:>50} {:>12}\n", "RESOURCE", "CONCURRENCY");
    let rows = resources.iter().map(|Resource { id, concurrency }| format!("{id:>50} {concurrency:>12}\n"));
    std::iter::once(header).chain(rows).collect()
}

pub(crate) fn plain(resources: &[Resource]) -> String {
    resources.iter().map(|Resource { id, concurrency }| format!("{id} {concurrency}\n")).collect()
}
