//! `.helmignore`, by Helm's rules (`pkg/ignore` of helm.sh/helm). They differ from git's: `!` ignores
//! everything that does not match, and there is no `**`. So git's parser cannot be used. The patterns
//! of a line are a shell's.

use globset::{GlobBuilder, GlobMatcher};

/// The rules of a chart.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    matcher: GlobMatcher,
    negated: bool,
    directories_only: bool,
    /// Whether the rule matches the whole path, not only its last part.
    whole: bool,
}

impl Rules {
    /// Parses the file. An error names the wrong line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let lines = text.lines().chain(["templates/.?*"]).enumerate();
        let rules = lines.filter_map(|(index, line)| {
            let line = line.trim();
            (!line.is_empty() && !line.starts_with('#')).then(|| {
                Rule::parse(line).map_err(|what| format!("line {}: `{line}`: {what}", index + 1))
            })
        });
        Ok(Self(rules.collect::<Result<_, _>>()?))
    }

    /// Whether a path of the chart is ignored. Nothing is asked about the entries of an ignored directory.
    pub(super) fn ignore(&self, path: &str, is_dir: bool) -> bool {
        self.0.iter().any(|rule| {
            let applies = !rule.directories_only || is_dir;
            match rule.negated {
                true => !applies || !rule.matches(path),
                false => applies && rule.matches(path),
            }
        })
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, String> {
        if line.contains("**") {
            return Err("Helm knows no `**`".to_owned());
        }
        let pattern = line.strip_prefix('!').unwrap_or(line);
        let (pattern, directories_only) = match pattern.strip_suffix('/') {
            Some(pattern) => (pattern, true),
            None => (pattern, false),
        };
        let whole = pattern.contains('/');
        let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
        // Helm has no brace patterns.
        let pattern = pattern.replace('{', "[{]").replace('}', "[}]");
        let mut glob = GlobBuilder::new(&pattern);
        let glob = glob.literal_separator(true).backslash_escape(true).build();
        let glob = glob.map_err(|error| error.kind().to_string())?;
        let negated = line.starts_with('!');
        Ok(Self { matcher: glob.compile_matcher(), negated, directories_only, whole })
    }

    fn matches(&self, path: &str) -> bool {
        let last = path.rsplit('/').next().unwrap_or(path);
        self.matcher.is_match(if self.whole { path } else { last })
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;

    #[test]
    fn a_rule_says_what_is_left_out() {
        for (rules, path, is_dir, ignored) in [
            ("*.tmp", "a/b.tmp", false, true),
            ("*.tmp", "a/b.tmpl", false, false),
            ("  # a comment\n\n", "# a comment", false, false),
            ("a/*.txt", "a/x.txt", false, true),
            ("a/*.txt", "b/a/x.txt", false, false),
            ("a/*.txt", "a/b/x.txt", false, false),
            ("/x", "x", false, true),
            ("/x", "a/x", false, false),
            ("x", "a/x", false, true),
            ("ci/", "ci", true, true),
            ("ci/", "ci", false, false),
            ("[^a].txt", "b.txt", false, true),
            ("[^a].txt", "a.txt", false, false),
            ("{a,b}", "a", false, false),
            ("{a,b}", "{a,b}", false, true),
            // Helm's rule: everything that does not match is ignored.
            ("!*.yaml", "a.yaml", false, false),
            ("!*.yaml", "a.txt", false, true),
            // Helm always has this rule.
            ("", "templates/.hidden", false, true),
            ("", "templates/a", false, false),
            ("", "other/.hidden", false, false),
        ] {
            let read = Rules::parse(rules).unwrap();
            assert_eq!(read.ignore(path, is_dir), ignored, "{rules} {path}");
        }
    }

    #[test]
    fn a_wrong_rule_is_told_with_its_line() {
        for (rules, expected) in
            [("a\n**/b", "line 2: `**/b`: Helm knows no `**`"), ("[a", "line 1: `[a`: ")]
        {
            let error = Rules::parse(rules).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
