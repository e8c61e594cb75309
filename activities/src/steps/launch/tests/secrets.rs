//! What a Pod mounts must be there and allowed.

use super::*;

#[tokio::test]
async fn secrets_must_be_there_and_allowed() {
    let push = |hosts: &str| {
        call(
            "GET",
            "secrets/push",
            200,
            json!({
                "metadata": {"name": "push", "annotations": {"kiln.io/hosts": hosts}},
                "data": {".dockerconfigjson": "e30="},
            }),
        )
    };
    let missing = |name: &str| {
        let refusal = refusal(404, "NotFound", "not found");
        call("GET", &format!("secrets/{name}"), 404, refusal)
    };
    let npm = |body: Value| call("GET", "secrets/npm", 200, body);
    let token = json!({"metadata": {"name": "npm", "annotations": {"kiln.io/hosts": "git.example"}},
        "data": {".npmrc": "eA=="}});
    for (calls, expected) in [
        (vec![missing("push")], FailureType::RegistryDenied),
        (vec![push("other.example")], FailureType::RegistryDenied),
        (vec![push("localhost"), missing("npm")], FailureType::InvalidSpec),
        (
            vec![push("localhost"), npm(json!({"metadata": {"name": "npm"}}))],
            FailureType::InvalidSpec,
        ),
        (vec![push("localhost"), npm(token)], FailureType::InvalidSpec),
    ] {
        let (scenario, cluster) = Scenario::new(Vec::new(), calls);
        let error = wanted(&cluster, full()).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{error}");
        scenario.end();
    }
}

#[tokio::test]
async fn a_secret_is_mounted_for_its_own_hosts_and_kind_alone() {
    // Logins for `localhost:5000` and for `https://other.example/v2/`.
    const TWO: &str =
        "eyJhdXRocyI6eyJsb2NhbGhvc3Q6NTAwMCI6e30sImh0dHBzOi8vb3RoZXIuZXhhbXBsZS92Mi8iOnt9fX0=";
    let secret = |name: &str, kind: &str, hosts: Option<&str>, key: &str, value: &str| {
        let mut secret = json!({"metadata": {"name": name}, "type": kind, "data": {key: value}});
        if let Some(hosts) = hosts {
            secret["metadata"]["annotations"] = json!({"kiln.io/hosts": hosts});
        }
        call("GET", &format!("secrets/{name}"), 200, secret)
    };
    let push = |hosts: &str| {
        secret("push", "kubernetes.io/dockerconfigjson", Some(hosts), ".dockerconfigjson", TWO)
    };
    let both = || push("localhost, other.example");
    let forbidden = refusal(403, "Forbidden", "secrets \"npm\" is forbidden");
    for (calls, kind_of, expected) in [
        (
            vec![push("localhost")],
            FailureType::RegistryDenied,
            "the Secret `push` holds a login for `other.example`, which its annotation",
        ),
        (
            vec![both(), secret("npm", "helm.sh/release.v1", None, ".npmrc", "eA==")],
            FailureType::InvalidSpec,
            "build secret `npmrc`: the Secret `npm` is of type `helm.sh/release.v1`",
        ),
        (
            vec![both(), call("GET", "secrets/npm", 403, forbidden)],
            FailureType::InvalidSpec,
            "build secret `npmrc`: the worker may not read the Secret `npm`",
        ),
        (
            vec![
                both(),
                secret("npm", "Opaque", None, ".npmrc", "eA=="),
                call("POST", "pods?", 422, refusal(422, "Invalid", "so far all was well")),
            ],
            FailureType::InvalidSpec,
            "so far all was well",
        ),
    ] {
        let (scenario, cluster) = Scenario::new(Vec::new(), calls);
        let error = wanted(&cluster, full()).await.unwrap_err();
        assert_eq!(kind(&error), kind_of, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        scenario.end();
    }
}
