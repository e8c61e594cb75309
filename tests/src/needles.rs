//! Secret values, and where they must not be found: neither plain nor in base64, whatever stands
//! around them there.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// A secret value and how it is called.
pub struct Needle {
    name: String,
    forms: Vec<String>,
}

impl Needle {
    /// A value of some length.
    pub fn new(name: &str, value: &str) -> Self {
        assert!(value.len() >= 12, "{name} is too short to be looked for");
        let base64 = (0..3).map(|before| {
            let text = STANDARD_NO_PAD.encode([&vec![0; before][..], value.as_bytes()].concat());
            // The characters at the ends hold bits of what stands beside the value.
            let begin = (before * 8).div_ceil(6);
            text[begin..text.len() - 1].to_owned()
        });
        let forms = std::iter::once(value.to_owned()).chain(base64).collect();
        Self { name: name.to_owned(), forms }
    }

    /// Whether a text holds the value.
    pub fn is_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }
}

/// Fails where a text holds one of the values; says which, and never the value.
pub fn none_in(needles: &[Needle], what: &str, text: &str) {
    assert!(!text.is_empty(), "{what} is empty, so nothing was looked for");
    for needle in needles {
        assert!(!needle.is_in(text), "{what} holds the {}", needle.name);
    }
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE},
    };

    use super::Needle;

    #[test]
    fn a_value_is_found_plain_and_in_base64_wherever_it_stands() {
        let needle = Needle::new("x", "correct-horse-battery");
        for around in ["", "a", "ab", "abc", "abcd"] {
            let text = format!("{around}correct-horse-battery{around}");
            for form in [text.clone(), STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                assert!(needle.is_in(&form), "{form}");
            }
        }
        assert!(!needle.is_in("correct-horse-butter"));
    }
}
