//! Resources.

use styx_client::Resource;

use styx_host::text::visible;

pub(crate) fn pretty(resources: &[Resource]) -> String {
    let header = format!("{:>50} {:>12}\n", "RESOURCE", "CONCURRENCY");
    let rows = resources.iter().map(|Resource { id, concurrency }| {
        let id = visible(id);
        format!("{id:>50} {concurrency:>12}\n")
    });
    std::iter::once(header).chain(rows).collect()
}

pub(crate) fn plain(resources: &[Resource]) -> String {
    let line = |Resource { id, concurrency }: &Resource| format!("{} {concurrency}\n", visible(id));
    resources.iter().map(line).collect()
}
