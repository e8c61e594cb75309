//! What becomes of a fake node and of its Pods, as kwok reads it.

/// Annotation of a Pod: the digest that its executor leaves. A Pod without one never ends.
pub(super) const DIGEST: &str = "bench.kiln.io/digest";

/// Label and taint of a fake node, with its name: only Pods of its own scene land on it.
pub(super) const NODE: &str = "bench.kiln.io/node";

/// The Pod template of a worker whose builds land on a fake node.
pub(super) fn template(node: &str, digest: Option<&str>) -> String {
    let digest =
        digest.map(|digest| format!("metadata: {{annotations: {{{DIGEST}: \"{digest}\"}}}}\n"));
    format!(
        "{}spec:\n  nodeSelector: {{{NODE}: {node}}}\n  \
         tolerations: [{{key: {NODE}, operator: Equal, value: {node}, effect: NoSchedule}}]\n",
        digest.unwrap_or_default()
    )
}

/// kwok's stages: a node is ready, a Pod with a digest ends at once with it, any other runs for
/// ever, and what is deleted goes.
pub(super) const STAGES: &str = r#"
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - {key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ["True"]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      {{ range NodeConditions }}
      - lastHeartbeatTime: {{ $now | Quote }}
        lastTransitionTime: {{ $now | Quote }}
        message: {{ .message | Quote }}
        reason: {{ .reason | Quote }}
        status: {{ .status | Quote }}
        type: {{ .type | Quote }}
      {{ end }}
      addresses:
      - {address: {{ NodeIP | Quote }}, type: InternalIP}
      daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}
      allocatable: {cpu: 1k, memory: 1Ti, ephemeral-storage: 1Ti, pods: 10k}
      capacity: {cpu: 1k, memory: 1Ti, ephemeral-storage: 1Ti, pods: 10k}
      nodeInfo: {architecture: amd64, operatingSystem: linux, kubeletVersion: fake, bootID: "",
        containerRuntimeVersion: "", kernelVersion: "", kubeProxyVersion: "", machineID: "",
        osImage: "", systemUUID: ""}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ends}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.phase, operator: In, values: [Pending]}
    - {key: '.metadata.annotations["bench.kiln.io/digest"]', operator: Exists}
  next:
    statusTemplate: |
      {{ $now := Now }}
      {{ $digest := index .metadata.annotations "bench.kiln.io/digest" }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        ready: false
        restartCount: 0
        state:
          terminated:
            exitCode: 0
            reason: Completed
            message: {{ $digest | Quote }}
            startedAt: {{ $now | Quote }}
            finishedAt: {{ $now | Quote }}
      {{ end }}
      phase: Succeeded
      startTime: {{ $now | Quote }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-runs}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.phase, operator: In, values: [Pending]}
    - {key: '.metadata.annotations["bench.kiln.io/digest"]', operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        ready: true
        restartCount: 0
        state: {running: {startedAt: {{ $now | Quote }}}}
      {{ end }}
      phase: Running
      startTime: {{ $now | Quote }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-goes}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: Exists}
  next: {delete: true}
"#;
