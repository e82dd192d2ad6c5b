{{/*
What the release of Camunda is given once: values for the official chart. None of it has an effect while `enabled` is false,
so that it can stay.
*/}}
{{- define "app-integrations-exporter.wiring" -}}
orchestration:
  {{- if eq .Values.mode "embedded" }}
  {{- if include "app-integrations-exporter.image" . }}
  image:
    {{- with include "app-integrations-exporter.registry" . }}
    registry: {{ . | quote }}
    {{- end }}
    repository: {{ .Values.image.repository | quote }}
    {{- if not .Values.image.digest }}
    tag: {{ include "app-integrations-exporter.tag" . | quote }}
    {{- end }}
    # Empty, it keeps that of another image from being put behind this name.
    digest: {{ .Values.image.digest | default "" | quote }}
  command: [app-integrations-entrypoint, bash, /usr/local/bin/startup.sh]
  {{- else }}
  # More comes in here, and is needed to switch the exporter on: the image, once camunda.version or image.tag tells which.
  {{- end }}
  {{- end }}
  podAnnotations:
    checksum/app-integrations: >-
      {{ include "app-integrations-exporter.checksum" . }}
  envFrom:
    - configMapRef:
        name: {{ include "app-integrations-exporter.brokerEnv" . }}
        optional: true
    - secretRef:
        name: {{ include "app-integrations-exporter.brokerEnv" . }}
        optional: true
    {{- if eq .Values.mode "embedded" }}
    {{- with .Values.envFrom }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
  {{- with include "app-integrations-exporter.wiredEnv" . | fromYamlArray }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .Values.mode "sidecar" }}
  initContainers:
    - {{ include "app-integrations-exporter.container" . | nindent 6 | trim }}
      restartPolicy: Always
      {{- with .Values.livenessProbe }}
      livenessProbe:
        initialDelaySeconds: 600
        {{- include "app-integrations-exporter.probe" (dict "probe" (omit . "initialDelaySeconds") "path" "/healthz") | nindent 8 }}
      {{- end }}
  {{- end }}
  {{- if ne .Values.mode "service" }}
  {{- with concat (include "app-integrations-exporter.volume" . | fromYamlArray) (.Values.extraVolumes | default list) }}
  extraVolumes:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if eq .Values.mode "embedded" }}
  {{- with concat (include "app-integrations-exporter.mount" . | fromYamlArray) (.Values.extraVolumeMounts | default list) }}
  extraVolumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end }}

{{/* Variables of the broker's container that can't be in our ConfigMap. */}}
{{- define "app-integrations-exporter.wiredEnv" -}}
{{- $variables := list }}
{{- if eq .Values.mode "embedded" }}{{ $variables = include "app-integrations-exporter.extraEnv" . | fromYamlArray }}{{ end }}
{{- range include "app-integrations-exporter.given" . | fromYaml }}
  {{- if and (eq .value "ingest") .name .key (ne $.Values.mode "embedded") }}
    {{- $key := dict "name" .name "key" .key "optional" true }}
    {{- $variables = append $variables (dict "name" .variable "valueFrom" (dict "secretKeyRef" $key)) }}
  {{- end }}
{{- end }}
{{- toYaml $variables }}
{{- end }}

{{/* A template for the official chart, which makes a change of ours one of the pods that read it. */}}
{{- define "app-integrations-exporter.checksum" -}}
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
