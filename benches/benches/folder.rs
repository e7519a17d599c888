//! What a workflow folder of 10,000 files costs: the first look, a look at all when nothing changed, a look at one file;
//! against listing and reading the same files in the same run.
//!
//! `cargo bench --workspace --all-features --profile dev --bench folder`

use std::{
    collections::BTreeSet,
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use styx_files::Folder;

const FILES: usize = 10_000;
const FOLDERS: usize = 100;
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    for index in 0..FILES {
        let folder = dir.path().join(format!("team-{}", index % FOLDERS));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("flow-{index}.yaml")), text(index))?;
    }
    let one = format!("team-7/flow-{}.yaml", FOLDERS + 7);
    for _ in 0..ROUNDS {
        let (bytes, floor) = timed(|| read_all(dir.path()))?;
        let (mut folder, first) = timed(|| Folder::read(dir.path(), Default::default()))?;
        let count = folder.workflows().count();
        assert!(folder.errors().is_empty() && count == FILES, "{count} workflows");
        let (changed, again) = timed(|| folder.look(&BTreeSet::new(), &mut |_| {}))?;
        assert!(changed.is_empty());
        let reads = folder.reads();
        let (swept, sweep) = timed(|| folder.sweep())?;
        assert!(swept.compared == FILES && !swept.listing && !swept.suspects && folder.reads() == reads);
        fs::write(dir.path().join(&one), text(1).replace("hourly", "daily"))?;
        let paths = BTreeSet::from([one.clone()]);
        let (changed, single) = timed(|| Ok(folder.look_at(&paths, &mut |_| {}).changed))?;
        assert_eq!(changed.len(), 1);
        fs::write(dir.path().join(&one), text(FOLDERS + 7))?;
        let ratio = |span: Duration| span.as_secs_f64() / floor.as_secs_f64();
        println!(
            "{FILES} files ({bytes} bytes) listed and read: {floor:.1?}; first look: {first:.2?} ({:.1} times); \
             nothing changed: {again:.1?} ({:.1} times); swept: {sweep:.1?} ({:.1} times); one changed: {single:.1?}",
            ratio(first),
            ratio(again),
            ratio(sweep)
        );
    }
    Ok(())
}

/// The floor: every byte of every file, and nothing made of it.
fn read_all(dir: &Path) -> io::Result<usize> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        bytes += if path.is_dir() { read_all(&path)? } else { fs::read(path)?.len() };
    }
    Ok(bytes)
}

fn timed<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Duration)> {
    let begin = Instant::now();
    Ok((work()?, begin.elapsed()))
}

fn text(index: usize) -> String {
    format!(
        "# What team {index} runs.\n- id: report\n  schedule: hourly\n  offset: PT{}M\n  docker_image: registry.example.org/report:{index}\n  \
         docker_args: [./report.sh, '{{}}', --verbose]\n  env: {{MODE: full, LIMIT: '{index}'}}\n  running_timeout: PT2H\n",
        index % 60
    )
}
