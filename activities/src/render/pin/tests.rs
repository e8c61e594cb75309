mod properties;

use std::sync::Mutex;

use kilnworks_workflows::failure::FailureType;

use super::*;
use crate::error::failure_of;

fn args(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The digest that a test's registry gives every image.
fn digest() -> String {
    format!("sha256:{}", "a".repeat(64))
}

/// A Dockerfile with `D` where each digest should be, and the same without them.
fn with_digests(dockerfile: &str) -> (String, String) {
    (dockerfile.replace("@D", ""), dockerfile.replace("@D", &format!("@{}", digest())))
}

async fn pin_all(dockerfile: &str, args: &BTreeMap<String, String>, target: &str) -> Pinned {
    let target = Some(target).filter(|target| !target.is_empty());
    let pinned = pin(dockerfile, args, target, async |_| Ok(Found::At(digest()))).await;
    pinned.expect(dockerfile)
}

/// Dockerfiles as they are found in the world. Each `@D` is what pinning writes.
const KEPT_IN_PLACE: [&str; 15] = [
    "FROM debian@D\n",
    "FROM debian:12@D",
    "FROM localhost:5000/a/b:1@D AS build\nFROM scratch\nCOPY --from=build /a /\n",
    "FROM golang:1.26@D AS Build\nRUN go build\nFROM gcr.io/distroless/static@D\n\
     COPY --chown=1 --from=build /a /\nCOPY --from=0 /b /\nCOPY --from=nginx:latest@D /c /\n\
     COPY [\"d\", \"/\"]\n",
    "FROM --platform=$BUILDPLATFORM node:22@D AS deps\nFROM --platform=linux/amd64 deps\n",
    "FROM nginx@D AS nginx\nFROM alpine@D\nCOPY --from=NGINX /a /\n",
    "# syntax=docker/dockerfile:1\n\n# FROM a comment\nfrom debian@D as a\n# between\ncopy --from=busybox@D /a /\n",
    "FROM debian@D\nRUN <<EOF\nFROM x\nCOPY --from=y / /\nEOF\nCOPY --from=busybox@D <<-A <<B /\nFROM z\n\tA\nFROM z\nB\n",
    "FROM debian:12@D AS a\r\nRUN a \\\r\n  FROM b\r\nCOPY --from=busybox@D a b\r\n",
    "FROM \\\n  debian@D \\\n# why\n  AS a\nCOPY \\\n\n  --from=busybox@D \\\n  a b\n",
    "# escape=`\nFROM `\n  windows:1@D\nCOPY c:\\\\\nCOPY --from=busybox@D a b\n",
    "FROM debian@D AS Base\nFROM BASE AS b\nFROM b\n",
    "FROM debian@D\nRUN --mount=type=bind,from=busybox,target=/a ls\n",
    "FROM debian@D\nONBUILD COPY --from=builder /a /\n",
    "\u{feff}FROM debian@D\n",
];

#[tokio::test]
async fn images_get_digests_and_nothing_else_changes() {
    for dockerfile in KEPT_IN_PLACE {
        let (given, expected) = with_digests(dockerfile);
        let pinned = pin_all(&given, &args(&[]), "").await;
        assert_eq!(pinned.dockerfile, expected);
        assert!(pinned.reusable, "{given}");
        // What is pinned stays as it is, and needs nobody to be asked.
        let nobody = async |image| panic!("asked for {image}");
        let again = pin(&expected, &args(&[]), None, nobody).await.expect("pinned");
        assert_eq!(again, Pinned { dockerfile: expected, ..pinned });
    }
}

#[tokio::test]
async fn a_name_in_variables_is_written_out() {
    for (given, build_args, expected) in [
        ("ARG V=12\nFROM debian:$V\n", &[] as &[_], "ARG V=12\nFROM debian:12@D\n"),
        ("ARG V=12\nFROM debian:${V} AS a\n", &[("V", "13")], "ARG V=12\nFROM debian:13@D AS a\n"),
        ("ARG V=12\nFROM debian:$V\n", &[("V", "")], "ARG V=12\nFROM debian:12@D\n"),
        ("ARG V\nFROM debian:${V:-11}\n", &[], "ARG V\nFROM debian:11@D\n"),
        ("ARG V\nFROM debian${V:+:$V}\n", &[("V", "9")], "ARG V\nFROM debian:9@D\n"),
        (
            "ARG R=r.io/ V=\"1 2\" I='${R}x'\nFROM ${I}y\n",
            &[("R", "s.io/")],
            "ARG R=r.io/ V=\"1 2\" I='${R}x'\nFROM s.io/xy@D\n",
        ),
        (
            "ARG R=r.io I=\"${R}/x\"\nFROM $I\nARG I=other\nFROM $I\n",
            &[],
            "ARG R=r.io I=\"${R}/x\"\nFROM $I\nARG I=other\nFROM r.io/x@D\n",
        ),
        ("FROM \"debian\" AS a\n", &[], "FROM debian@D AS a\n"),
        (
            "FROM debian\nCOPY --from='busybox' a b\n",
            &[],
            "FROM debian@D\nCOPY --from=busybox@D a b\n",
        ),
        ("FROM de\\\nbi\\\nan AS a\nRUN b\n", &[], "FROM \\\n\\\ndebian@D AS a\nRUN b\n"),
        ("FROM deb\\\n# c\nian\nRUN b\n", &[], "FROM \\\n# c\ndebian@D\nRUN b\n"),
        ("ARG S=base\nFROM a AS base\nFROM $S\n", &[], "ARG S=base\nFROM a@D AS base\nFROM $S\n"),
        // Kaniko has no platform arguments.
        ("FROM a:${TARGETARCH:-none}\n", &[], "FROM a:none@D\n"),
        // Kaniko asks for no declaration.
        ("FROM $I\n", &[("I", "a=b")], "FROM a@D\n"),
    ] {
        let (_, expected) = with_digests(expected);
        let build_args = args(build_args);
        let pinned = pin_all(given, &build_args, "").await;
        assert_eq!(pinned.dockerfile, expected);
    }
}

#[tokio::test]
async fn only_what_the_target_stands_on_counts() {
    let dockerfile = "FROM a AS one\nADD https://x/ /\nFROM b AS two\nCOPY --from=c a b\n\
                      FROM two AS Three\nFROM d AS four\nCOPY --from=one a b\n";
    for (target, images, adds_url) in [
        ("", &["a", "d"] as &[_], true),
        ("three", &["b", "c"], false),
        ("TWO", &["b", "c"], false),
        ("one", &["a"], true),
    ] {
        let target = Some(target).filter(|target| !target.is_empty());
        let found = references(dockerfile, &args(&[]), target).expect("references");
        let names: Vec<_> = found.images.iter().map(|one| one.image.as_str()).collect();
        assert_eq!((names.as_slice(), found.adds_url), (images, adds_url), "{target:?}");
        assert!(found.is_whole);
    }
}

#[tokio::test]
async fn an_image_is_asked_for_once_and_is_one_base() {
    let dockerfile = "FROM a AS x\nFROM a\nCOPY --from=a b c\nCOPY --from=b b c\n\
                      COPY --from=c:1@sha256:aa b c\n";
    let written = dockerfile.replace("sha256:aa", &digest());
    let asked = Mutex::new(Vec::new());
    let resolve = |image: String| {
        asked.lock().expect("asked").push(image);
        std::future::ready(Ok(Found::At(digest())))
    };
    let pinned = pin(&written, &args(&[]), None, resolve).await.expect("pinned");
    assert_eq!(*asked.lock().expect("asked"), ["a", "b"]);
    let images: Vec<_> = pinned.bases.iter().map(|one| one.image.as_str()).collect();
    assert_eq!(images, ["a", "b", "c:1"]);
    assert!(pinned.bases.iter().all(|one| one.digest == digest()));
}

#[tokio::test]
async fn images_are_asked_for_side_by_side() {
    let meet = tokio::sync::Barrier::new(3);
    let resolve = async |_| {
        meet.wait().await;
        Ok(Found::At(digest()))
    };
    let dockerfile = "FROM a\nCOPY --from=b b c\nCOPY --from=c b c\n";
    let args = args(&[]);
    let pinned = pin(dockerfile, &args, None, resolve);
    let pinned = tokio::time::timeout(std::time::Duration::from_secs(10), pinned).await;
    pinned.expect("all three meet").expect("pinned");
}

#[tokio::test]
async fn what_is_from_elsewhere_or_unknown_is_not_reusable() {
    for dockerfile in [
        "FROM scratch\nADD https://example.org/a /\n",
        "FROM scratch\nADD --chown=1 \"git@example.org:a\" /\n",
        "FROM scratch\nADD [\"a\", \"http://b\", \"/\"]\n",
        "FROM scratch\nARG U\nADD $U /\n",
        "FROM scratch\nADD a${U}.tar /\n",
        "FROM scratch\nADD http:/$U /\n",
        "FROM scratch AS a\nONBUILD ADD https://example.org/a /\nFROM a\n",
        "FROM Not_A_Name\n",
        "FROM a:${V#x}\n",
        "FROM a:${V\n",
        "FROM scratch\nCOPY --from=$X a b\n",
        "FROM scratch\nCOPY --fr\"om=a\" a b\n",
        "FROM a@sha512:00\n",
        "FROM a b\n",
        "FROM a AS b c\n",
        "ARG X=\"a'\nFROM a\n",
        "RUN a\n",
        "",
        "FROM scratch\nRUN <<EOF\n",
    ] {
        let pinned = pin_all(dockerfile, &args(&[]), "").await;
        assert!(!pinned.reusable, "{dockerfile}");
    }
    let no_target = pin_all("FROM a AS b\n", &args(&[]), "c").await;
    assert!(!no_target.reusable);
    for dockerfile in [
        "FROM scratch\nADD a $HOME/\n",
        "FROM scratch\nADD dir/a-$V.tar ./b /\n",
        "FROM scratch\nRUN curl https://example.org\nCOPY a b\n",
    ] {
        assert!(pin_all(dockerfile, &args(&[]), "").await.reusable, "{dockerfile}");
    }
}

#[tokio::test]
async fn what_is_not_pinned_is_reusable_where_it_has_digests() {
    for (dockerfile, reusable) in [
        ("FROM debian:12\n".to_owned(), false),
        (format!("FROM debian:12@{}\n", digest()), true),
        ("FROM scratch\nCOPY a b\n".to_owned(), true),
    ] {
        let found = pin(&dockerfile, &args(&[]), None, async |_| Ok(Found::Hidden)).await;
        let found = found.expect("read");
        assert_eq!((&found.dockerfile, found.reusable), (&dockerfile, reusable));
    }
}

#[tokio::test]
async fn a_digest_that_is_none_is_not_written() {
    for wrong in ["", "sha256:aa", "sha512:aa", &format!("{} AS x", digest())] {
        let resolve = async |_| Ok(Found::At(wrong.to_owned()));
        let pinned = pin("FROM a\n", &args(&[]), None, resolve).await.expect("pinned");
        assert_eq!(pinned.dockerfile, "FROM a\n", "{wrong}");
        assert!(!pinned.reusable && pinned.bases.is_empty(), "{wrong}");
    }
}

#[tokio::test]
async fn faults_name_the_image_and_the_line() {
    let resolve = async |image: String| match image.as_str() {
        "denied" => Err(crate::error::fail(FailureType::RegistryDenied, "no")),
        "missing" => Ok(Found::Nowhere),
        _ => Ok(Found::At(digest())),
    };
    for (dockerfile, kind, message) in [
        (
            "FROM a\nCOPY --from=missing a b\n",
            FailureType::BaseImageNotFound,
            "line 2: there is no base image `missing`",
        ),
        ("\nFROM denied\n", FailureType::RegistryDenied, "line 2: no"),
        ("ARG X\nFROM ${X}\n", FailureType::BuildFailed, "line 2: the base name `${X}` is blank"),
        ("FROM \"\"\n", FailureType::BuildFailed, "line 1: the base name `\"\"` is blank"),
    ] {
        let error = pin(dockerfile, &args(&[]), None, resolve).await.expect_err(dockerfile);
        let failure = failure_of(&error).expect("a type");
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.message.starts_with(message), "{failure:?}");
    }
    let unneeded = "FROM missing AS a\nFROM $X AS c\nFROM b\n";
    let pinned = pin(unneeded, &args(&[]), None, resolve).await.expect("pinned");
    let (_, expected) = with_digests("FROM missing AS a\nFROM $X AS c\nFROM b@D\n");
    assert_eq!(pinned.dockerfile, expected);
    assert!(pinned.reusable);
}
