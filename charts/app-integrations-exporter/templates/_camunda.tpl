{{/*
The names and addresses of Camunda's release, as in the official chart, for printed commands and `helm test`.
*/}}

{{/* The StatefulSet of the brokers. Up to 8.7 its name always ends in -zeebe; later, only if the release's name doesn't contain it. */}}
{{- define "app-integrations-exporter.zeebe" -}}
{{- $release := .Values.camunda.release }}
{{- $short := and (contains "zeebe" $release) (ne (include "app-integrations-exporter.camundaKey" .) "zeebe") }}
{{- .Values.camunda.fullname | default (ternary $release (printf "%s-zeebe" $release) $short) }}
{{- end }}

{{/* The Service of the gateway, which speaks for the whole cluster. */}}
{{- define "app-integrations-exporter.gateway" -}}
{{- include "app-integrations-exporter.zeebe" . }}-gateway
{{- end }}

{{/* The context path, with a slash at its beginning; empty if there is none. */}}
{{- define "app-integrations-exporter.contextPath" -}}
{{- with .Values.camunda.contextPath | default "" | trimAll "/" }}/{{ . }}{{ end }}
{{- end }}

{{/*
The management port for a pod of .mode: at its own broker, or at the gateway. Up to 8.7 a broker contains no gateway, and only a
gateway speaks for the cluster.
*/}}
{{- define "app-integrations-exporter.management" -}}
{{- $own := and (has .mode (list "embedded" "sidecar")) (ne (include "app-integrations-exporter.camundaKey" .root) "zeebe") }}
{{- $host := ternary "127.0.0.1" (include "app-integrations-exporter.gateway" .root) $own }}
{{- printf "http://%s:%v%s" $host .root.Values.camunda.managementPort (include "app-integrations-exporter.contextPath" .root) }}
{{- end }}
