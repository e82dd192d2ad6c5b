{{/*
Names are fixed, because Camunda's chart refers to these objects, so a namespace can have only one installation. No Service's name
may begin like our settings or the broker's: Kubernetes would set variables that look like settings.
*/}}
{{- define "app-integrations-exporter.name" -}}app-integrations-exporter{{- end }}
{{- define "app-integrations-exporter.service" -}}ingest-app-integrations{{- end }}

{{/* The names of the ConfigMap and Secret that the broker's container reads, and of those for the exporter. */}}
{{- define "app-integrations-exporter.brokerEnv" -}}app-integrations-exporter-env{{- end }}
{{- define "app-integrations-exporter.ownEnv" -}}
{{- ternary (include "app-integrations-exporter.brokerEnv" .) "app-integrations-exporter-settings" (eq .Values.mode "embedded") }}
{{- end }}

{{/* Metadata of an object: .name defaults to the chart's name and .namespace to the release's; .more labels and .annotations are added. */}}
{{- define "app-integrations-exporter.metadata" -}}
name: {{ .name | default (include "app-integrations-exporter.name" .root) }}
namespace: {{ .namespace | default .root.Release.Namespace | quote }}
labels:
  {{- include "app-integrations-exporter.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.selector" -}}
app.kubernetes.io/name: {{ include "app-integrations-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The key of the brokers' values in the official chart, which is also the name of their container; empty without camunda.version. */}}
{{- define "app-integrations-exporter.camundaKey" -}}
{{- with include "app-integrations-exporter.brokerVersion" . }}
{{- ternary "zeebe" "orchestration" (has . (list "8.5" "8.6" "8.7")) }}
{{- end }}
{{- end }}

{{/* The pods of Camunda's brokers, as the official chart labels them. */}}
{{- define "app-integrations-exporter.brokers" -}}
app.kubernetes.io/component: zeebe-broker
{{- end }}

{{/* The labels of an object of .root: the selector's labels, then .more, the labels for every object, and the usual ones. */}}
{{- define "app-integrations-exporter.labels" -}}
{{- $usual := dict
      "app.kubernetes.io/component" (include "app-integrations-exporter.name" .root)
      "app.kubernetes.io/part-of" "camunda-platform"
      "app.kubernetes.io/version" .root.Chart.AppVersion
      "app.kubernetes.io/managed-by" .root.Release.Service
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") }}
{{- merge (include "app-integrations-exporter.selector" .root | fromYaml) (.more | default dict) (.root.Values.commonLabels | default dict) $usual | toYaml }}
{{- end }}

{{/* A value as the text of a variable: YAML makes 1048576 a float, which prints as 1.048576e+06. Null becomes an empty text. */}}
{{- define "app-integrations-exporter.text" -}}
{{- if kindIs "float64" . }}{{ printf "%.0f" . }}{{ else if not (kindIs "invalid" .) }}{{ toString . }}{{ end }}
{{- end }}

{{/* The image with its registry and its tag, `name:tag` or `name@digest`; empty if the tag is unknown. */}}
{{- define "app-integrations-exporter.image" -}}
{{- $image := .Values.image }}
{{- $tag := include "app-integrations-exporter.tag" . }}
{{- if or $image.digest $tag }}
{{- with include "app-integrations-exporter.registry" . }}{{ . }}/{{ end }}
{{- include "app-integrations-exporter.repository" . }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.registry" -}}
{{- $inside := include "app-integrations-exporter.registryInside" . }}
{{- .Values.image.registry | default $inside | default .Values.global.image.registry | default "" | trimSuffix "/" }}
{{- end }}

{{/* The registry at the beginning of image.repository, recognised as by Docker; empty if image.registry is set. */}}
{{- define "app-integrations-exporter.registryInside" -}}
{{- if not .Values.image.registry }}{{ regexFind `^([^/]*[.:][^/]*|localhost)/` .Values.image.repository }}{{ end }}
{{- end }}

{{- define "app-integrations-exporter.repository" -}}
{{- trimPrefix (include "app-integrations-exporter.registryInside" .) .Values.image.repository }}
{{- end }}

{{/* The tag, as in docs/image.md; the combined image's tag needs the full version of Camunda. */}}
{{- define "app-integrations-exporter.tag" -}}
{{- $version := include "app-integrations-exporter.camundaVersion" . }}
{{- if .Values.image.tag }}{{ .Values.image.tag }}
{{- else if ne .Values.mode "embedded" }}{{ .Chart.AppVersion }}
{{- else if regexMatch `^[0-9]+\.[0-9]+\.` $version }}
{{- printf "%s-app-integrations-%s" $version .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.pullPolicy" -}}
{{- .Values.image.pullPolicy | default .Values.global.image.pullPolicy | default "IfNotPresent" }}
{{- end }}
