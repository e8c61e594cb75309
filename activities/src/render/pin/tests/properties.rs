//! What pinning leaves unchanged, in Dockerfiles of random lines.

use std::collections::BTreeSet;

use proptest::{prelude::*, test_runner::RngSeed};

use super::*;

/// Lines that a Dockerfile may have, and some that none should.
fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("FROM debian:12"),
        Just("FROM $A AS a"),
        Just("from \"b\" as b"),
        Just("FROM deb\\"),
        Just("ian AS c"),
        Just("ian"),
        Just("  # comment \\"),
        Just("COPY --from=a x y"),
        Just("COPY --from=nginx \\"),
        Just("COPY --from='q\\"),
        Just("RUN <<EOF cat"),
        Just("EOF"),
        Just("ARG A=x"),
        Just("RUN é \\\\"),
        Just("\\"),
        Just(""),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just(" \t\n")];
    let text = proptest::collection::vec((line, end), 1..24);
    let text = text.prop_map(|lines| lines.into_iter().map(|(line, end)| format!("{line}{end}")));
    text.prop_map(|lines| std::iter::once("FROM first\n".to_owned()).chain(lines).collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        rng_seed: RngSeed::Fixed(4),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn pinning_keeps_every_line_and_every_other_byte(dockerfile in lines()) {
        let args = args(&[("A", "c")]);
        let Ok(References { images, .. }) = references(&dockerfile, &args, None) else {
            return Ok(());
        };
        // Only what is a name is ever looked up.
        let (images, others): (Vec<_>, Vec<_>) =
            images.into_iter().partition(|one| one.image.parse::<Name>().is_ok());
        let digests = images.iter().map(|one| (one.image.clone(), digest())).collect();
        let pinned = pinned(&dockerfile, &images, &digests);
        prop_assert_eq!(pinned.lines().count(), dockerfile.lines().count());
        // What is left when the images are taken out of both is the same.
        let mut rest = dockerfile.clone();
        let mut cut = pinned.clone();
        for one in images.iter().rev() {
            for place in one.places.iter().rev() {
                rest.replace_range(place.clone(), "");
            }
            let text = format!("{}@{}", one.image, digest());
            let at = cut.rfind(&text).expect("the image");
            cut.replace_range(at..at + text.len(), "");
        }
        prop_assert_eq!(cut, rest);
        // The same images at the same lines are found in it, each with its digest.
        let again = references(&pinned, &args, None).expect("references").images;
        let found = again.iter().map(|one| (one.line, one.image.clone()));
        let expected = images.iter().map(|one| (one.line, format!("{}@{}", one.image, digest())));
        let others = others.iter().map(|one| (one.line, one.image.clone()));
        let expected: BTreeSet<_> = expected.chain(others).collect();
        prop_assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    }
}
