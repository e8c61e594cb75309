//! The media type of a file, by the extension of its name.

/// Types that the crate's list gets wrong.
const REGISTERED: [(&str, &str); 8] = [
    (".yaml", "application/yaml"),
    (".yml", "application/yaml"),
    (".toml", "application/toml"),
    (".tgz", "application/gzip"),
    (".gz", "application/gzip"),
    (".jar", "application/java-archive"),
    (".war", "application/java-archive"),
    (".js", "text/javascript"),
];

/// The media type of a file with this name.
pub(super) fn of(name: &str) -> String {
    let lower = name.to_lowercase();
    let registered = REGISTERED.iter().find(|(ending, _)| lower.ends_with(ending));
    match registered {
        Some((_, kind)) => (*kind).to_owned(),
        None => mime_guess::from_path(&lower).first_or_octet_stream().essence_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_type_goes_by_the_ending() {
        for (name, kind) in [
            ("deploy/web.yaml", "application/yaml"),
            ("web.YML", "application/yaml"),
            ("values.json", "application/json"),
            ("a.toml", "application/toml"),
            ("README.txt", "text/plain"),
            ("README.md", "text/markdown"),
            ("index.html", "text/html"),
            ("site.tar.gz", "application/gzip"),
            ("site.tgz", "application/gzip"),
            ("app-1.2.0.jar", "application/java-archive"),
            ("app.war", "application/java-archive"),
            ("a.js", "text/javascript"),
            ("a.css", "text/css"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("LICENSE", "application/octet-stream"),
            ("yaml", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
        ] {
            assert_eq!(of(name), kind, "{name}");
        }
    }
}
