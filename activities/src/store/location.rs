//! Where a context is and how a build may read it. The room `pod` makes volumes and variables of it.

use super::presign::Signer;
use crate::settings::VolumeMount;

/// Where a context is and how a build may read it.
#[derive(Clone, Debug)]
pub enum Location {
    /// In a bucket that the executor reads with credentials of its own.
    Bucket {
        /// `s3://bucket/key`.
        url: String,
        /// The bucket's region.
        region: String,
        /// Address of a server other than Amazon's.
        endpoint: Option<String>,
        /// Secret with the executor's credentials. None if Pods have an identity.
        secret: Option<String>,
    },
    /// In a bucket that the executor cannot read. A container of this image fetches the context by
    /// a signed address.
    Presigned {
        /// The image of `kiln`.
        image: String,
        /// Signs the address.
        signer: Signer,
        /// The store's own Secret, which no build may name as its own.
        secret: Option<String>,
    },
    /// In a directory of a shared volume.
    Volume {
        /// The volume.
        volume: VolumeMount,
        /// The directory in the volume. It holds this context only.
        dir: String,
        /// Name of the file in the directory.
        file: String,
    },
}
