//! How the executor of a Pod gets its context: variables, volumes and mounts, by where the store has
//! the context.

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, HostPathVolumeSource, PersistentVolumeClaimVolumeSource,
    SecretEnvSource, Volume, VolumeMount as Mount,
};

use crate::{
    pod::presigned,
    settings::VolumeMount,
    store::{Location, presign::Signer},
};

/// Where the executor sees a context that is on a shared volume.
const MOUNTED_AT: &str = "/kiln/context";

/// How an executor gets a context.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Value of `--context`.
    pub context: String,
    /// Variables of the executor.
    pub env: Vec<EnvVar>,
    /// Secrets whose keys are variables of the executor.
    pub env_from: Vec<EnvFromSource>,
    /// Volumes of the Pod.
    pub volumes: Vec<Volume>,
    /// Their mounts in the executor.
    pub mounts: Vec<Mount>,
    /// The container that fetches the context, if the executor does not fetch it itself.
    pub fetch: Option<Fetch>,
    /// The store's own Secret, which no build may name as its own.
    pub secret: Option<String>,
}

/// How a container other than the executor gets a context.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Image of the container: that of `kiln`.
    pub image: String,
    /// Signs the address of the context.
    pub signer: Signer,
}

impl Access {
    /// The way to a context that is here.
    pub fn of(location: Location) -> Self {
        match location {
            Location::Bucket { url, region, endpoint, secret } => Self {
                context: url,
                env: bucket_variables(region, endpoint),
                env_from: secret.iter().cloned().map(variables_of).collect(),
                secret,
                ..Self::default()
            },
            Location::Presigned { image, signer, secret } => {
                Self { secret, ..presigned::access(Fetch { image, signer }) }
            }
            Location::Volume { volume, dir, file } => Self {
                context: format!("tar://{MOUNTED_AT}/{file}"),
                volumes: vec![pod_volume(volume)],
                mounts: vec![mount(dir)],
                ..Self::default()
            },
        }
    }
}

fn bucket_variables(region: String, endpoint: Option<String>) -> Vec<EnvVar> {
    let variable = |name: &str, value: String| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        ..EnvVar::default()
    };
    let mut env = vec![variable("AWS_REGION", region)];
    if let Some(endpoint) = endpoint {
        env.push(variable("S3_ENDPOINT", endpoint));
        env.push(variable("S3_FORCE_PATH_STYLE", "true".to_owned()));
    }
    env
}

fn variables_of(secret: String) -> EnvFromSource {
    EnvFromSource {
        secret_ref: Some(SecretEnvSource { name: secret, optional: None }),
        ..EnvFromSource::default()
    }
}

/// Name of the Pod's volume.
const VOLUME: &str = "kiln-context";

fn pod_volume(volume: VolumeMount) -> Volume {
    let named = Volume { name: VOLUME.to_owned(), ..Volume::default() };
    match volume {
        VolumeMount::Claim(claim_name) => Volume {
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name,
                read_only: Some(true),
            }),
            ..named
        },
        VolumeMount::HostPath(path) => Volume {
            host_path: Some(HostPathVolumeSource {
                path: path.display().to_string(),
                type_: Some("Directory".to_owned()),
            }),
            ..named
        },
    }
}

/// Mounts the directory of one context only: a build must not read the contexts of other builds.
fn mount(dir: String) -> Mount {
    Mount {
        name: VOLUME.to_owned(),
        mount_path: MOUNTED_AT.to_owned(),
        sub_path: Some(dir),
        read_only: Some(true),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_mounts_its_own_context_only() {
        for volume in
            [VolumeMount::Claim("kiln".to_owned()), VolumeMount::HostPath("/srv/kiln".into())]
        {
            let (dir, file) = ("contexts/c0ffee".to_owned(), "context.tar.gz".to_owned());
            let access = Access::of(Location::Volume { volume, dir, file });
            assert_eq!(access.context, "tar:///kiln/context/context.tar.gz");
            assert_eq!(access.mounts[0].sub_path.as_deref(), Some("contexts/c0ffee"));
            assert_eq!(access.mounts[0].read_only, Some(true));
        }
    }
}
