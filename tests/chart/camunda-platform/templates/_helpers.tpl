{{/* The key of the brokers' values, and the name of their container. */}}
{{- define "key" -}}
{{- regexMatch "^8[.][5-7][.]" .Chart.AppVersion | ternary "zeebe" "orchestration" -}}
{{- end -}}

{{- define "home" -}}
/usr/local/{{ eq (include "key" .) "zeebe" | ternary "zeebe" "camunda" }}
{{- end -}}

{{/* The name of a part: <release>-<part>, or the release's alone where that has the part's name in it. */}}
{{- define "name" -}}
{{- $release := index . 0 -}}
{{- $part := index . 1 -}}
{{- contains $part $release | ternary $release (printf "%s-%s" $release $part) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The brokers' StatefulSet, and what is named after it. */}}
{{- define "brokers" -}}
{{- with (index .Values (include "key" .)).fullnameOverride -}}
{{- . | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- include "name" (list .Release.Name ((index .Values (include "key" .)).nameOverride | default "zeebe")) -}}
{{- end -}}
{{- end -}}

{{/* Parts of a path, with a slash before each. */}}
{{- define "path" -}}
{{- printf "/%s" (regexReplaceAll "/+" (join "/" .) "/" | trimAll "/") -}}
{{- end -}}

{{/* Ports by the names of their settings, for a container (`containerPort`) or a Service (`port`). */}}
{{- define "ports" -}}
{{- range $each := .names }}
- {name: {{ get $.service (printf "%sName" $each) }}, {{ $.key }}: {{ get $.service (printf "%sPort" $each) | int }}}
{{- end }}
{{- end -}}

{{- define "selector" -}}
app: camunda-platform
app.kubernetes.io/name: camunda-platform
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: camunda-platform
app.kubernetes.io/component: zeebe-broker
{{- end -}}

{{- define "labels" -}}
{{ include "selector" . }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ empty (index .Values (include "key" .)).image.digest | ternary (include "tag" .) .Chart.AppVersion | quote }}
{{- end -}}

{{- define "tag" -}}
{{- (index .Values (include "key" .)).image.tag | default .Values.global.image.tag -}}
{{- end -}}

{{- define "image" -}}
{{- $image := (index .Values (include "key" .)).image -}}
{{- with $image.registry | default .Values.global.image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- with $image.digest }}@{{ . }}{{ else }}:{{ include "tag" $ }}{{ end -}}
{{- end -}}
