use super::*;

const MIB: u64 = 1024 * 1024;

/// Sections of such names.
fn sections(names: &str) -> Arc<Sections> {
    let list = names.chars().map(|name| Section { id: name.to_string(), entries: 1 }).collect();
    Arc::new(Sections { list, bytes: 0 })
}

/// An earlier context of such sections, of 2 MiB each.
fn earlier(names: &str) -> Vec<(String, u64)> {
    names.chars().map(|name| (name.to_string(), 2 * MIB)).collect()
}

/// Each section that is copied as `=`, and each that is packed by its name.
fn told(now: &str, before: &str) -> String {
    let spared = spared(&sections(now).list, &earlier(before));
    let told = now.chars().zip(spared);
    told.map(|(name, spared)| if spared.is_some() { '=' } else { name }).collect()
}

#[test]
fn a_change_takes_along_what_makes_it_a_part() {
    for (now, before, expected) in [
        // All of it, and nothing of it.
        ("abcd", "abcd", "===="),
        ("abcd", "", "abcd"),
        // A change is packed with three that follow, as two would be 4 MiB.
        ("XbcdeFGHIJ", "abcdeFGHIJ", "Xbcd======"),
        ("abcdXfghijkl", "abcdefghijkl", "====Xfgh===="),
        // At the end it may be small.
        ("abcdefX", "abcdefg", "======X"),
        // What would be a small copy is packed.
        ("abXdefghij", "abcdefghij", "abXdef===="),
        ("abcXdefYg", "abcdefg", "===XdefYg"),
        // What was moved is found where it was; each run of it must be large by itself.
        ("defabc", "abcdef", "======"),
        ("dabc", "abcd", "dabc"),
        // One more, and one less.
        ("abcNdefghi", "abcdefghi", "===Ndef==="),
        ("abcefg", "abcdefg", "======"),
    ] {
        assert_eq!(told(now, before), expected, "{now} after {before}");
    }
}

#[test]
fn pieces_are_joined() {
    let plan = Plan::sparing(sections("abcdXfghijkl"), &earlier("abcdefghijkl")).unwrap();
    let (pieces, lengths) = plan.composed(&[7, 2 * MIB, 2 * MIB, 2 * MIB]);
    let expected =
        [Piece::Copied(0..8 * MIB), Piece::Own(0..7 + 6 * MIB), Piece::Copied(16 * MIB..24 * MIB)];
    assert_eq!(pieces, expected);
    assert_eq!(lengths[4], ("X".to_owned(), 7));
    assert_eq!(lengths[8], ("i".to_owned(), 2 * MIB));
}

#[test]
fn nothing_is_spared_by_an_earlier_context_of_other_files() {
    assert!(Plan::sparing(sections("abcd"), &earlier("wxyz")).is_none());
}
