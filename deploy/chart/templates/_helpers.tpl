{{- define "kilnworks.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "kilnworks.install" -}}
{{ .Values.install | default .Release.Name }}
{{- end }}

{{- define "kilnworks.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "kilnworks.labels" -}}
{{ include "kilnworks.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "kilnworks.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "kilnworks.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "kilnworks.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "kilnworks.buildId" -}}
{{ .Values.versioning.buildId | default (.Values.image.digest | trimPrefix "sha256:" | trunc 12) | default .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* The claim that workers mount. A claim is of one namespace. */ -}}
{{- define "kilnworks.workerClaim" -}}
{{- $volume := .Values.store.volume -}}
{{- if and (ne .Values.buildNamespace.name .Release.Namespace) (not $volume.workerClaim) -}}
{{- fail (printf "store.volume.workerClaim is not set: a claim is of one namespace, and the builds' (%s) is not the release's (%s); name the release's own claim of the same directory, or install into the builds' namespace" .Values.buildNamespace.name .Release.Namespace) -}}
{{- end -}}
{{ $volume.workerClaim | default $volume.claim }}
{{- end }}

{{- /* The resources of a role. Who serves `source` is promised the node's disk for its mirrors, unless they
       have a volume of their own: so it comes where there is room, and is not the first to go when a
       disk fills up. */ -}}
{{- define "kilnworks.resources" -}}
{{- $resources := deepCopy (.role.resources | default dict) -}}
{{- $cache := .root.Values.cache -}}
{{- if and (has "source" .role.queues) (not $cache.claim) -}}
{{- $size := $cache.size | nospace | trimSuffix "B" -}}
{{- $resources = merge $resources (dict "requests" (dict "ephemeral-storage" $size)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}

{{- /* Every queue must be served, or builds wait for ever. */ -}}
{{- define "kilnworks.checkRoles" -}}
{{- $served := list -}}
{{- range .Values.roles -}}
{{- $served = concat $served .queues -}}
{{- end -}}
{{- range list "main" "source" "launch" "await" -}}
{{- if not (has . $served) -}}
{{- fail (printf "roles: none serves the queue `%s`" .) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "kilnworks.checkEngine" -}}
{{- $tls := .Values.temporal.tls -}}
{{- if and $tls.ca (not $tls.secret) -}}
{{- fail "temporal.tls.secret is not set: `temporal.tls.ca` takes `ca.crt` from it" -}}
{{- end -}}
{{- if and $tls.secret (not $tls.ca) (not $tls.clientCert) -}}
{{- fail "temporal.tls.secret: nothing of it is used, as `temporal.tls.ca` and `temporal.tls.clientCert` are false" -}}
{{- end -}}
{{- if and .Values.keda.enabled (or $tls.enabled .Values.temporal.apiKey.secret) (not .Values.keda.authentication) -}}
{{- fail "keda.authentication is not set: KEDA asks the engine itself, and has no certificate and no API key without it" -}}
{{- end -}}
{{- end }}

{{- /* The fewest replicas of a role that KEDA scales. It looks at the queue `source` alone, so it must not
       take away what serves another queue. */ -}}
{{- define "kilnworks.kedaFloor" -}}
{{- $keda := .root.Values.keda -}}
{{- $role := .role -}}
{{- $floor := int $keda.minReplicas -}}
{{- if gt (len $role.queues) 1 -}}
{{- if lt $floor 1 -}}
{{- fail (printf "keda.minReplicas: 0, and the role `%s` serves more than `source`: with none of its workers nothing is built; accepted: 1 or more, or a role for `source` alone" $role.name) -}}
{{- end -}}
{{- $floor = max $floor (int $role.replicas) -}}
{{- end -}}
{{- if lt (int $keda.maxReplicas) (int $floor) -}}
{{- fail (printf "keda.maxReplicas: %d, and the role `%s` has %d at least" (int $keda.maxReplicas) $role.name (int $floor)) -}}
{{- end -}}
{{ $floor }}
{{- end }}

{{- /* Settings that are values of the chart, which go by them elsewhere too: in Pods, rights, hooks. */ -}}
{{- define "kilnworks.valueOfSetting" -}}
install: install
task-queue: taskQueue
temporal-ui: temporal.ui
namespace: buildNamespace.name
launcher: launcher
max-builds: maxBuilds
grace: grace
cache-dir: cache
cache-size: cache.size
store: store.kind
s3-bucket: store.s3.bucket
s3-endpoint: store.s3.endpoint
s3-secret: store.s3.secret
aws-region: store.s3.region
context-delivery: store.s3.delivery
volume-dir: store.volume
volume-claim: store.volume.claim
executor-image: executorImage
pod-template: podTemplate
versioning: versioning.behavior
build-id: versioning.buildId
listen: listen
{{- end }}

{{- define "kilnworks.checkSettings" -}}
{{- range $name, $value := include "kilnworks.valueOfSetting" . | fromYaml -}}
{{- if hasKey $.Values.settings $name -}}
{{- fail (printf "settings.%s: the chart sets this one by its value `%s`: set that" $name $value) -}}
{{- end -}}
{{- $variable := $name | replace "-" "_" | upper | printf "KILN_%s" -}}
{{- range $.Values.extraEnv -}}
{{- if eq .name $variable -}}
{{- fail (printf "extraEnv: %s: the chart sets this one by its value `%s`: set that" $variable $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* The settings of `kiln worker`, as its file has them. Of those without a value of the chart, what
       the user sets wins. */ -}}
{{- define "kilnworks.settings" -}}
{{- $values := .Values -}}
{{- $settings := dict
  "install" (include "kilnworks.install" .)
  "task-queue" $values.taskQueue
  "namespace" $values.buildNamespace.name
  "launcher" $values.launcher
  "max-builds" $values.maxBuilds
  "grace" (printf "%vs" $values.grace)
  "cache-dir" "/var/cache/kilnworks"
  "cache-size" $values.cache.size
  "log-format" "json"
  "store" $values.store.kind -}}
{{- if eq $values.store.kind "s3" -}}
{{- $s3 := $values.store.s3 -}}
{{- $settings = merge $settings (dict "s3-bucket" $s3.bucket "s3-endpoint" $s3.endpoint "aws-region" $s3.region) -}}
{{- if eq $s3.delivery "presigned" -}}
{{- $settings = merge $settings (dict "context-delivery" $s3.delivery "fetch-image" (include "kilnworks.image" .)) -}}
{{- else -}}
{{- $settings = set $settings "s3-secret" $s3.secret -}}
{{- end -}}
{{- else -}}
{{- $settings = merge $settings (dict "volume-dir" "/var/lib/kilnworks" "volume-claim" $values.store.volume.claim) -}}
{{- end -}}
{{- with $values.executorImage -}}{{- $settings = set $settings "executor-image" . -}}{{- end -}}
{{- with $values.temporal.ui -}}{{- $settings = set $settings "temporal-ui" . -}}{{- end -}}
{{- with $values.podTemplate -}}{{- $settings = set $settings "pod-template" "/etc/kilnworks/pod-template.yaml" -}}{{- end -}}
{{- if ne $values.versioning.behavior "off" -}}
{{- $settings = merge $settings (dict "versioning" $values.versioning.behavior "build-id" (include "kilnworks.buildId" .)) -}}
{{- end -}}
{{- range $name, $value := merge (deepCopy $values.settings) $settings }}
{{- if ne (toString $value) "" }}
{{ $name }}: {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* How the engine is reached: the variables that every tool of Temporal reads. */ -}}
{{- define "kilnworks.engineEnv" -}}
{{- $temporal := .Values.temporal -}}
- {name: TEMPORAL_ADDRESS, value: {{ $temporal.address | quote }}}
- {name: TEMPORAL_NAMESPACE, value: {{ $temporal.namespace | quote }}}
{{- if $temporal.tls.enabled }}
- {name: TEMPORAL_TLS, value: "true"}
{{- with $temporal.tls.serverName }}
- {name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- if and $temporal.tls.secret $temporal.tls.clientCert }}
- {name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/temporal/tls.crt}
- {name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/temporal/tls.key}
{{- end }}
{{- if $temporal.tls.ca }}
- {name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/temporal/ca.crt}
{{- end }}
{{- end }}
{{- if $temporal.apiKey.secret }}
- name: TEMPORAL_API_KEY
  valueFrom:
    secretKeyRef: {name: {{ $temporal.apiKey.secret | quote }}, key: {{ $temporal.apiKey.key | quote }}}
{{- end }}
{{- end }}

{{- /* The engine's certificates, where it wants them. */ -}}
{{- define "kilnworks.engineMount" -}}
{{- if and .Values.temporal.tls.enabled .Values.temporal.tls.secret }}
- {name: temporal-tls, mountPath: /etc/temporal, readOnly: true}
{{- end }}
{{- end }}

{{- define "kilnworks.engineVolume" -}}
{{- if and .Values.temporal.tls.enabled .Values.temporal.tls.secret }}
- name: temporal-tls
  secret: {secretName: {{ .Values.temporal.tls.secret | quote }}}
{{- end }}
{{- end }}

{{- /* No right, no shell, nothing to write to: the level `restricted` takes it. */ -}}
{{- define "kilnworks.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "kilnworks.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
