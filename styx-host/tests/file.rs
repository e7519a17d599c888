//! Files are private and whole, and what a path leads to stays what it is.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    fs::{self, File, Permissions},
    io::{Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    thread,
};

use rustix::fs::{CWD, Mode, mkfifoat};
use styx_host::{
    file::{FileWriter, open_lock, read_text, text_of, write_document, write_state},
    folder,
};
use tempfile::TempDir;

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_text_without_an_end_is_not_read() {
    assert_eq!(text_of(&b"abc"[..], 3).unwrap(), "abc");
    for (input, most, said) in
        [("/dev/zero", 1000, "it is longer than 1000 bytes"), ("/bin/sh", 1 << 30, "it isn't UTF-8")]
    {
        assert_eq!(read_text(input, most).unwrap_err().to_string(), said, "{input}");
    }
    assert_eq!(read_text("/dev/null", 0).unwrap(), "");
}

#[test]
fn what_the_administrator_makes_for_somebody_is_given_with_all_that_is_in_it() {
    let dir = TempDir::new().unwrap();
    let made = dir.path().join("made");
    folder::create(&made).unwrap();
    fs::write(made.join("file"), "").unwrap();
    folder::give_all(&made).unwrap();
    let uid = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    assert_eq!(uid(&made.join("file")), uid(dir.path()));
    if uid(dir.path()) == 0 {
        chown(dir.path(), Some(65_534), Some(65_534)).unwrap();
        symlink("/etc/passwd", made.join("link")).unwrap();
        folder::give_all(&made).unwrap();
        assert_eq!([uid(&made), uid(&made.join("file")), uid(&made.join("link"))], [65_534; 3]);
        assert_eq!(uid(Path::new("/etc/passwd")), 0);
    }
}

fn output(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = FileWriter::output(path)?;
    file.write_all(text.as_bytes())?;
    file.commit()
}

#[test]
fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("f");
    type Write = fn(&Path) -> std::io::Result<()>;
    let ways: [Write; 2] = [|path| output(path, "new"), |path| write_state(path, b"new")];
    for (write, kept) in ways.into_iter().zip([0o644, 0o640]) {
        write(&file).unwrap();
        assert_eq!((mode(&file), fs::read_to_string(&file).unwrap()), (0o600, "new".into()));
        set_mode(&file, 0o644);
        write(&file).unwrap();
        assert_eq!(mode(&file), kept, "others may read no state");
        assert_eq!(names(dir.path()), ["f"]);
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn links_stay_and_what_they_lead_to_is_replaced() {
    let dir = TempDir::new().unwrap();
    let (there, link, more) = (dir.path().join("there"), dir.path().join("link"), dir.path().join("more"));
    fs::create_dir(dir.path().join("deep")).unwrap();
    symlink("deep/../there", &link).unwrap();
    symlink("link", &more).unwrap();
    for text in ["made through a link to nothing", "replaced"] {
        output(&more, text).unwrap();
        assert_eq!(fs::read_to_string(&there).unwrap(), text);
    }
    write_state(&more, b"state").unwrap();
    assert_eq!(fs::read_to_string(&there).unwrap(), "state");
    assert_eq!((fs::read_link(&more).unwrap(), fs::read_link(&link).unwrap()), ("link".into(), "deep/../there".into()));
    assert_eq!(names(dir.path()), ["deep", "link", "more", "there"]);
    symlink("loop", dir.path().join("loop")).unwrap();
    assert!(output(&dir.path().join("loop"), "").is_err());
}

#[test]
fn a_file_of_several_names_keeps_them() {
    let dir = TempDir::new().unwrap();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    fs::write(&one, "a long text that was there").unwrap();
    fs::hard_link(&one, &other).unwrap();
    output(&one, "short").unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "short");
    write_state(&other, b"state").unwrap();
    assert_eq!(fs::read_to_string(&one).unwrap(), "state");
}

#[test]
fn devices_and_fifos_are_written_through_and_refused_as_state() {
    let dir = TempDir::new().unwrap();
    for device in ["/dev/null", "/dev/zero"] {
        let before = fs::metadata(device).unwrap();
        output(Path::new(device), "text").unwrap();
        assert!(write_state(device, b"text").unwrap_err().to_string().contains("not a plain file"));
        assert_eq!(fs::metadata(device).unwrap().ino(), before.ino());
    }
    assert!(output(Path::new("/dev/full"), "text").is_err(), "what a device refuses is an error");
    let link = dir.path().join("null");
    symlink("/dev/null", &link).unwrap();
    output(&link, "text").unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("/dev/null"));

    let fifo = dir.path().join("fifo");
    mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    let reader = thread::spawn({
        let fifo = fifo.clone();
        move || {
            let mut text = String::new();
            File::open(fifo).unwrap().read_to_string(&mut text).unwrap();
            text
        }
    });
    output(&fifo, "through").unwrap();
    assert_eq!(reader.join().unwrap(), "through");
    assert_eq!(names(dir.path()), ["fifo", "null"]);
    assert!(write_state(&fifo, b"text").is_err());
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    for (name, what) in [("", "a folder"), ("socket", "a socket")] {
        let error = output(&dir.path().join(name), "").unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    assert_eq!(names(dir.path()), ["socket"]);
}

#[test]
fn what_is_not_whole_leaves_the_old_file_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("f");
    output(&file, "old").unwrap();
    let mut half = FileWriter::output(&file).unwrap();
    half.write_all(b"half of it").unwrap();
    drop(half);
    assert_eq!((fs::read_to_string(&file).unwrap(), names(dir.path())), ("old".into(), vec!["f".to_owned()]));
}

#[test]
fn owners_are_kept_and_the_administrator_writes_for_the_folders_owner() {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    if chown(&home, Some(12_345), Some(12_346)).is_err() {
        // Only the administrator can give files away. Not with eprintln!, which tests keep to themselves.
        let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: the owners of files, which takes an administrator");
        return;
    }
    let owner = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let state = home.join("tokens.json");
    write_state(&state, b"new").unwrap();
    assert_eq!((owner(&state), mode(&state)), ((12_345, 12_346), 0o600));
    drop(open_lock(home.join("lock")).unwrap());
    assert_eq!(owner(&home.join("lock")), (12_345, 12_346));
    folder::create(home.join("a/b")).unwrap();
    assert_eq!((owner(&home.join("a/b")), mode(home.join("a"))), ((12_345, 12_346), 0o700));

    chown(&state, Some(777), Some(778)).unwrap();
    write_state(&state, b"again").unwrap();
    output(&state, "and again").unwrap();
    assert_eq!(owner(&state), (777, 778));
    let export = home.join("export.jsonl");
    output(&export, "secrets").unwrap();
    assert_eq!(owner(&export), (0, 0), "an output is whose command it was");
}

#[test]
fn a_lock_is_no_link() {
    let dir = TempDir::new().unwrap();
    symlink("elsewhere", dir.path().join("lock")).unwrap();
    assert!(open_lock(dir.path().join("lock")).is_err());
    assert_eq!(names(dir.path()), ["lock"]);
}

#[test]
fn documents_are_for_all() {
    let dir = TempDir::new().unwrap();
    write_document(dir.path().join("styx.1"), b"page").unwrap();
    assert_eq!(mode(dir.path().join("styx.1")) & 0o400, 0o400);
    assert_eq!(mode(dir.path().join("styx.1")) & 0o100, 0);
}

#[test]
fn a_folder_of_ours_is_made_private_and_no_other() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    folder::create(&data).unwrap();
    let marks = ["CURRENT"];
    assert_eq!(folder::make_private(&data, &marks).unwrap(), None);
    for before in [0o755, 0o770, 0o701] {
        set_mode(&data, before);
        assert_eq!(folder::make_private(&data, &marks).unwrap(), Some(before));
        assert_eq!(mode(&data), 0o700);
    }
    fs::write(data.join("photo.jpg"), "").unwrap();
    assert_eq!(folder::make_private(&data, &marks).unwrap(), None);
    set_mode(&data, 0o755);
    let error = folder::make_private(&data, &marks).unwrap_err().to_string();
    assert!(error.contains("mode 0755") && error.contains("photo.jpg") && error.contains("chmod 700"), "{error}");
    assert_eq!(mode(&data), 0o755);
    fs::write(data.join("CURRENT"), "").unwrap();
    assert_eq!(folder::make_private(&data, &marks).unwrap(), Some(0o755));
    set_mode(&data, 0o755);
    // Only the administrator can give a folder to somebody; for anybody else the root is somebody's.
    let (others, user) = match chown(&data, Some(12_345), None) {
        Ok(()) => (data.as_path(), 12_345),
        Err(_) => (Path::new("/"), fs::metadata("/").unwrap().uid()),
    };
    let error = folder::make_private(others, &marks).unwrap_err().to_string();
    assert!(error.contains(&format!("belongs to user {user}")), "{error}");
}
