//! The names of container images, as Styx judges them.

/// Reasons why a text is not the name of an image: none when it is one.
///
/// The text is `repository[:tag][@digest]`, and each part is judged by itself. The reasons come in the order digest,
/// tag, repository, at most one of each but for a registry and a path that are both wrong.
pub(super) fn image_errors(image: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let (name, digest) = match image.rsplit_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    };
    errors.extend(digest.and_then(digest_error));
    errors.extend(tag.and_then(tag_error));
    repository_errors(image, repository, &mut errors);
    if errors.is_empty() {
        // Styx lets these two pass; no registry does. They are named only when there is nothing else to say, so that
        // what is said of any other text is what Styx says.
        errors.extend(signed_port(repository).or_else(|| empty_last_piece(image, repository)));
    }
    errors
}

fn digest_error(digest: &str) -> Option<String> {
    if digest.is_empty() {
        return Some("Digest cannot be empty".into());
    }
    let is_digest = digest.split_once(':').is_some_and(|(algorithm, hex)| {
        let letter_first = |piece: &str| {
            piece.starts_with(|c: char| c.is_ascii_alphabetic()) && piece.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let enough = match algorithm {
            "sha256" => hex.len() == 64 && !hex.bytes().any(|b| b.is_ascii_uppercase()),
            _ => hex.len() >= 32,
        };
        algorithm.split(['-', '_', '+', '.']).all(letter_first) && enough && hex.bytes().all(|b| b.is_ascii_hexdigit())
    });
    (!is_digest).then(|| format!("Illegal digest: \"{digest}\""))
}

fn tag_error(tag: &str) -> Option<String> {
    if tag.is_empty() {
        return Some("Tag cannot be empty".into());
    }
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_tag = tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || b == b'.' || b == b'-');
    (!is_tag).then(|| format!("Illegal tag: \"{tag}\", must match [\\w][\\w.-]{{0,127}}"))
}

fn repository_errors(image: &str, repository: &str, errors: &mut Vec<String>) {
    let invalid = || "Invalid repository name (ex: \"registry.domain.tld/myrepos\")".to_owned();
    if repository.contains("://") {
        errors.push(invalid());
        return;
    }
    match split_registry(repository) {
        (Some(_), None) => errors.push(invalid()),
        (Some(registry), Some(path)) => {
            errors.extend(registry_error(registry));
            errors.extend(path_error(image, path));
        }
        (None, path) => errors.extend(path_error(image, path.unwrap_or_default())),
    }
}

/// The registry, when the first piece looks like a host, and the path after it.
fn split_registry(repository: &str) -> (Option<&str>, Option<&str>) {
    let (first, rest) = match repository.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (repository, None),
    };
    if first.contains(['.', ':']) || first == "localhost" { (Some(first), rest) } else { (None, Some(repository)) }
}

fn registry_error(registry: &str) -> Option<String> {
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    if !is_ipv4_like(host) && !is_domain(host) {
        return Some(format!("Invalid domain name: \"{host}\""));
    }
    let is_port = |port: &str| {
        // The sign is `signed_port`'s to refuse.
        let digits = port.strip_prefix('+').unwrap_or(port);
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.parse::<i32>().is_ok_and(|port| port <= 65_535)
    };
    port.is_some_and(|port| !is_port(port)).then(|| invalid_port(registry))
}

fn invalid_port(registry: &str) -> String {
    format!("Invalid port in endpoint: \"{registry}\"")
}

/// Four numbers of up to three digits; how large they are does not matter.
fn is_ipv4_like(host: &str) -> bool {
    let is_number = |piece: &str| (1..=3).contains(&piece.len()) && piece.bytes().all(|b| b.is_ascii_digit());
    host.split('.').count() == 4 && host.split('.').all(is_number)
}

fn is_domain(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
        && !host.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn path_error(image: &str, path: &str) -> Option<String> {
    let mut pieces: Vec<&str> = path.split('/').collect();
    if !path.is_empty() {
        // An empty piece at the end is `empty_last_piece`'s to refuse.
        while pieces.last().is_some_and(|piece| piece.is_empty()) {
            pieces.pop();
        }
    }
    if let Some(piece) = pieces.into_iter().find(|piece| !is_path_piece(piece)) {
        return Some(invalid_piece(image, piece));
    }
    (path.encode_utf16().count() > 255)
        .then(|| format!("Invalid image name ({image}), repository name cannot be larger than 255 characters"))
}

fn invalid_piece(image: &str, piece: &str) -> String {
    format!(
        "Invalid image name ({image}), only ^([a-z0-9._-]+)$ is allowed for each slash-separated name component \
         (failed on \"{piece}\")"
    )
}

fn is_path_piece(piece: &str) -> bool {
    !piece.is_empty() && piece.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

fn signed_port(repository: &str) -> Option<String> {
    let (registry, _) = split_registry(repository);
    registry.filter(|registry| registry.contains(":+")).map(invalid_port)
}

fn empty_last_piece(image: &str, repository: &str) -> Option<String> {
    repository.ends_with('/').then(|| invalid_piece(image, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX64: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn check(image: &str, expected: &[&str]) {
        let image = image.replace("<64>", HEX64);
        let expected: Vec<String> = expected.iter().map(|text| text.replace("<image>", &image)).collect();
        assert_eq!(image_errors(&image), expected, "{image:?}");
    }

    #[test]
    fn accepted() {
        for image in [
            "repo",
            "namespace/repo:1.2",
            "reg.istry:4711/repo",
            "reg.istry.:4711/ns/repo",
            "1.2.3.4:4711/ns/repo",
            "999.2.3.4/ns/repo",
            "foo.net/bar@sha256:<64>",
            "foo@tarsum.v1+sha256:<64>",
            "foo@md5:0123456789ABCDEF0123456789abcdef",
            "baz.io:4711/foo/foo-bar:1.2.3-SNAPSHOT@sha256:<64>",
            "localhost/a",
            "localhost:0/a",
            "localhost:65535/a",
            "a-",
            "a___b",
        ] {
            check(image, &[]);
        }
    }

    #[test]
    fn refused() {
        const REPOSITORY: &str = "Invalid repository name (ex: \"registry.domain.tld/myrepos\")";
        check("repo:", &["Tag cannot be empty"]);
        check("repo:@sha256:<64>", &["Tag cannot be empty"]);
        check("foo@", &["Digest cannot be empty"]);
        check("foo@:123", &["Illegal digest: \":123\""]);
        check("foo@sha256:", &["Illegal digest: \"sha256:\""]);
        check("foo@sha-256:<64>", &[&format!("Illegal digest: \"sha-256:{HEX64}\"")]);
        check("a:-x", &["Illegal tag: \"-x\", must match [\\w][\\w.-]{0,127}"]);
        check("a.b", &[REPOSITORY]);
        check("localhost", &[REPOSITORY]);
        check("http://a/b", &[REPOSITORY]);
        check("1.2.3.4.:4711/ns/repo", &["Invalid domain name: \"1.2.3.4.\""]);
        check("1.2.3/repo", &["Invalid domain name: \"1.2.3\""]);
        check(" reg.istry:4711/repo", &["Invalid domain name: \" reg.istry\""]);
        check("reg..istry/ns/baz", &["Invalid domain name: \"reg..istry\""]);
        check("foo-.ba|z/ns/baz", &["Invalid domain name: \"foo-.ba|z\""]);
        check("reg.istry: 4711/repo", &["Invalid port in endpoint: \"reg.istry: 4711\""]);
        check("foo:345345345/ns/baz", &["Invalid port in endpoint: \"foo:345345345\""]);
        check("foo:65536/ns", &["Invalid port in endpoint: \"foo:65536\""]);
        check("foo:-17/ns/baz", &["Invalid port in endpoint: \"foo:-17\""]);
        let piece = "Invalid image name (<image>), only ^([a-z0-9._-]+)$ is allowed for each slash-separated name \
                     component (failed on ";
        check("reg.istry:4711/ repo", &[&format!("{piece}\" repo\")")]);
        check("", &[&format!("{piece}\"\")")]);
        check("gcr.io/", &[&format!("{piece}\"\")")]);
        check("a//b", &[&format!("{piece}\"\")")]);
        check(
            &"r".repeat(256),
            &["Invalid image name (<image>), repository name cannot be larger than 255 characters"],
        );
    }

    #[test]
    fn refused_though_styx_accepts() {
        let piece = "Invalid image name (<image>), only ^([a-z0-9._-]+)$ is allowed for each slash-separated name \
                     component (failed on \"\")";
        check("a/", &[piece]);
        check("a/:latest", &[piece]);
        check("//", &[piece]);
        check("a.b:+80/c", &["Invalid port in endpoint: \"a.b:+80\""]);
        check("a/:", &["Tag cannot be empty"]);
    }
}
