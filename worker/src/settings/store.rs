//! Where contexts are stored, and how an executor gets one.

use clap::ValueEnum;
use kilnworks_activities::settings::{Bucket, Delivery, StoreSettings, VolumeMount};
use url::Url;

use super::lower::Lowering;

pub(super) fn lower(lowering: &mut Lowering<'_>) -> StoreSettings {
    match lowering.choice("store", Store::S3) {
        Store::S3 => StoreSettings::S3(Bucket {
            name: lowering.needed("s3-bucket", "the name of a bucket, as the store is `s3`"),
            endpoint: lowering.url("s3-endpoint").map(without_slash),
            secret: lowering.text("s3-secret"),
            region: lowering.text("aws-region"),
            delivery: lower_delivery(lowering),
        }),
        Store::Volume => {
            // A volume needs no signed URLs: each Pod mounts only the directory of its own context.
            let accepted = "`direct`, as the store is `volume`";
            lowering.check("context-delivery", accepted, |given| given == "direct");
            lower_volume(lowering)
        }
    }
}

fn lower_delivery(lowering: &mut Lowering<'_>) -> Delivery {
    let way = lowering.choice("context-delivery", Way::Direct);
    match way {
        Way::Direct => Delivery::Direct,
        Way::Presigned => {
            let name = "fetch-image";
            lowering.check_image(name, "registry.example.com/kiln:1.0.0");
            let accepted = "an image of kiln, as contexts are delivered `presigned`";
            Delivery::Presigned(lowering.needed(name, accepted))
        }
    }
}

fn lower_volume(lowering: &mut Lowering<'_>) -> StoreSettings {
    StoreSettings::Volume {
        dir: lowering
            .needed(
                "volume-dir",
                "the directory where this worker mounts the volume, as the store is `volume`",
            )
            .into(),
        mount: lower_mount(lowering),
    }
}

fn lower_mount(lowering: &mut Lowering<'_>) -> VolumeMount {
    let one = lowering.exactly_one("volume-claim", "volume-host-path");
    match one {
        ("volume-claim", claim) => VolumeMount::Claim(claim),
        (_, path) => VolumeMount::HostPath(path.into()),
    }
}

/// A URL for the S3 client, which accepts no trailing slash. `Url` appends one to a bare host.
fn without_slash(url: Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[derive(Clone, Copy, ValueEnum)]
enum Store {
    S3,
    Volume,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    Direct,
    Presigned,
}
