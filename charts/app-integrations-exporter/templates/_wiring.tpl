{{/*
The values for the official chart, which are set once in Camunda's release. They have no effect while `enabled` is false, except
the image of mode embedded. Without camunda.version there are none, because their key depends on the version.
*/}}
{{- define "app-integrations-exporter.wiring" -}}
{{- $key := include "app-integrations-exporter.camundaKey" . }}
{{- $policy := .Values.image.pullPolicy | default .Values.global.image.pullPolicy }}
{{- if not $key -}}
# Empty until camunda.version is set: it decides which values Camunda's chart reads.
{}
{{- else }}
{{- if and (eq .Values.mode "embedded") $policy -}}
# Camunda's chart has one policy for all of its images.
global:
  image:
    pullPolicy: {{ $policy }}
{{ end }}
{{- if eq $key "zeebe" -}}
# Charts for 8.8 and later ignore values below `zeebe`. This stops such an upgrade with an error, instead of silently dropping the exporter.
orchestration:
  podAnnotations:
    app-integrations/guard: >-
      {{ include "app-integrations-exporter.guard" . }}
{{ end -}}
{{ $key }}:
  {{- include "app-integrations-exporter.wiring.image" . }}
  podAnnotations:
    {{- if and (eq .Values.mode "embedded") (eq $key "orchestration") (include "app-integrations-exporter.image" .) }}
    app-integrations/guard: >-
      {{ include "app-integrations-exporter.guard" . }}
    {{- end }}
    checksum/app-integrations: >-
      {{ include "app-integrations-exporter.checksum" . }}
  envFrom:
    - configMapRef:
        name: {{ include "app-integrations-exporter.brokerEnv" . }}
        optional: true
    - secretRef:
        name: {{ include "app-integrations-exporter.brokerEnv" . }}
        optional: true
    {{- with (include "app-integrations-exporter.given" . | fromYaml).ingest }}
    {{- if and .name .key (ne $.Values.mode "embedded") }}
    # With a prefix, since `env` would replace yours.
    - prefix: {{ include "app-integrations-exporter.ingestPrefix" . }}
      secretRef:
        name: {{ .name | quote }}
        optional: true
    {{- end }}
    {{- end }}
  {{- include (printf "app-integrations-exporter.wiring.%s" .Values.mode) . }}
{{- end }}
{{- end }}

{{/* The image of mode embedded, if its tag is known, and the settings to pull it or the sidecar's image. */}}
{{- define "app-integrations-exporter.wiring.image" -}}
{{- $secrets := .Values.image.pullSecrets | default .Values.global.image.pullSecrets }}
{{- $image := and (eq .Values.mode "embedded") (include "app-integrations-exporter.image" .) }}
{{- if and (ne .Values.mode "service") (or $image $secrets) }}
  image:
    {{- with $secrets }}
    pullSecrets:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if $image }}
    {{- with include "app-integrations-exporter.registry" . }}
    registry: {{ . | quote }}
    {{- end }}
    repository: {{ include "app-integrations-exporter.repository" . | quote }}
    {{- if not .Values.image.digest }}
    tag: {{ include "app-integrations-exporter.tag" . | quote }}
    {{- end }}
    # Also set when empty: otherwise the digest of another image could be appended to this name.
    digest: {{ .Values.image.digest | default "" | quote }}
    {{- end }}
{{- end }}
{{- if and (eq .Values.mode "embedded") (not $image) }}
  # The image is still missing here: set camunda.version or image.tag before you switch the exporter on.
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.wiring.embedded" -}}
{{- with .Values.envFrom }}
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- if include "app-integrations-exporter.image" . }}
  command: [app-integrations-entrypoint, bash, /usr/local/bin/startup.sh]
{{- end }}
{{- with include "app-integrations-exporter.extraEnv" . | fromYamlArray }}
  env:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- include "app-integrations-exporter.wiring.volumes" . }}
{{- with include "app-integrations-exporter.mounts" . | fromYamlArray }}
  extraVolumeMounts:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.wiring.sidecar" }}
  initContainers:
    - {{ include "app-integrations-exporter.container" . | nindent 6 | trim }}
      restartPolicy: Always
      {{- with .Values.livenessProbe }}
      livenessProbe:
        initialDelaySeconds: 600
        {{- include "app-integrations-exporter.probe" (dict "probe" (omit . "initialDelaySeconds") "path" "/healthz") | nindent 8 }}
      {{- end }}
{{- include "app-integrations-exporter.wiring.volumes" . }}
{{- end }}

{{- define "app-integrations-exporter.wiring.service" }}{{ end }}

{{- define "app-integrations-exporter.wiring.volumes" -}}
{{- with include "app-integrations-exporter.volumes" . | fromYamlArray }}
  extraVolumes:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{/*
A template for the official chart: its result changes with our settings, so that the brokers' pods are replaced. If the chart
reads no templates (up to 8.7) or can't look up objects (camunda.lookup), it's a constant that changes when Camunda is wired again.
*/}}
{{- define "app-integrations-exporter.checksum" -}}
{{- if or (not .Values.camunda.lookup) (eq (include "app-integrations-exporter.camundaKey" .) "zeebe") }}
{{- ternary (include "app-integrations-exporter.digest" .) "off" .Values.enabled }}
{{- else }}
{{- $names := list (include "app-integrations-exporter.brokerEnv" .) }}
{{- if eq .Values.mode "sidecar" }}{{ $names = append $names (include "app-integrations-exporter.ownEnv" .) }}{{ end }}
{{- $looked := list }}
{{- range $name := $names }}
  {{- range $kind := list "ConfigMap" "Secret" }}
    {{- $looked = append $looked (printf `(lookup "v1" %q .Release.Namespace %q).data` $kind $name) }}
  {{- end }}
{{- end }}
{{- printf `{{ list %s | toJson | sha256sum }}` (join " " $looked) }}
{{- end }}
{{- end }}

{{/* A checksum of all variables of the exporter and the brokers. */}}
{{- define "app-integrations-exporter.digest" -}}
{{- list (include "app-integrations-exporter.settings" .) (include "app-integrations-exporter.given" .) (include "app-integrations-exporter.brokerVariables" .) | toJson | sha256sum }}
{{- end }}

{{/*
A template for the official chart that stops an upgrade to another version of Camunda than the wiring is for. The spaces of
its literal are escaped, because the official chart folds long lines at spaces before it reads the template.
*/}}
{{- define "app-integrations-exporter.guard" -}}
{{- $version := include "app-integrations-exporter.camundaVersion" . | regexFind `^[0-9]+\.[0-9]+` }}
{{- $why := printf "app-integrations-exporter is wired for Camunda %s: set camunda.version in its release to the new version, in mode embedded with an image for it, then wire Camunda again (docs/install/helm.md)" $version }}
{{- printf `{{ if not (hasPrefix "%s." .Chart.AppVersion) }}{{ fail "%s" }}{{ end }}%s` $version (replace " " `\u0020` $why) $version }}
{{- end }}
