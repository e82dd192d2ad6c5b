{{/*
The exporter's variables without secrets: those of this chart, then those in `env`, which take precedence. An empty one is not set.
*/}}
{{- define "app-integrations-exporter.settings" -}}
{{- $settings := dict "APP_INTEGRATIONS_ENABLED" "true" "APP_INTEGRATIONS_ADMIN_HOST" "0.0.0.0" }}
{{- with include "app-integrations-exporter.spoolDir" . }}{{ $_ := set $settings "APP_INTEGRATIONS_SPOOL_DIR" . }}{{ end }}
{{- with .Values.backend.url }}{{ $_ := set $settings "APP_INTEGRATIONS_URL" (tpl . $) }}{{ end }}
{{- if eq .Values.mode "service" }}{{ $_ := set $settings "APP_INTEGRATIONS_INGEST_HOST" "0.0.0.0" }}{{ end }}
{{- range include "app-integrations-exporter.given" . | fromYaml }}
  {{- if .path }}{{ $_ := set $settings (ternary .variable (printf "%s_FILE" .variable) (default false .file)) .path }}{{ end }}
  {{- if eq .value "ingest" }}{{ $_ := set $settings "APP_INTEGRATIONS_INGEST_USERNAME" "broker" }}{{ end }}
{{- end }}
{{- range $name, $value := .Values.env }}
  {{- /* The exporter ignores spaces around a value, but a broker doesn't. */}}
  {{- with tpl (include "app-integrations-exporter.text" $value) $ | trim }}{{ $_ := set $settings $name . }}{{ end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* On the broker's volume this is the directory of mode `embedded`, so that waiting events are found after a change of mode. */}}
{{- define "app-integrations-exporter.spoolDir" -}}
{{- if eq .Values.mode "sidecar" }}/data/app-integrations{{ end }}
{{- if eq .Values.mode "service" }}/var/lib/app-integrations{{ end }}
{{- end }}

{{/* The setting called .name, or .default. */}}
{{- define "app-integrations-exporter.setting" -}}
{{- get (include "app-integrations-exporter.settings" .root | fromYaml) .name | default .default }}
{{- end }}

{{- define "app-integrations-exporter.ingestPort" -}}
{{- include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_INGEST_PORT" "default" "9280") }}
{{- end }}

{{- define "app-integrations-exporter.adminPort" -}}
{{- include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_ADMIN_PORT" "default" "9281") }}
{{- end }}

{{/*
The broker's variables in the modes without our entrypoint: files/broker.yaml, for the version of Camunda. A password from an
existing Secret is a variable of the broker's container, named by a prefix and its key, and the broker replaces references to it.
*/}}
{{- define "app-integrations-exporter.ingestPrefix" -}}APP_INTEGRATIONS_INGEST_{{- end }}

{{- define "app-integrations-exporter.brokerVariables" -}}
{{- $ingest := (include "app-integrations-exporter.given" . | fromYaml).ingest | default dict }}
{{- $listens := include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_INGEST_HOST" "default" "127.0.0.1") }}
{{- $loopback := ternary "[::1]" "127.0.0.1" (has $listens (list "::" "::1")) }}
{{- $host := ternary $loopback (include "app-integrations-exporter.service" .) (eq .Values.mode "sidecar") }}
{{- $size := dict "root" . "name" "APP_INTEGRATIONS_BROKER_BULK_SIZE" "default" "1" }}
{{- $user := dict "root" . "name" "APP_INTEGRATIONS_INGEST_USERNAME" "default" "" }}
{{- $values := dict
      "{url}" (printf "http://%s:%s" $host (include "app-integrations-exporter.ingestPort" .))
      "{bulk_size}" (include "app-integrations-exporter.setting" $size)
      "{username}" (include "app-integrations-exporter.setting" $user)
      "{password}" (empty $ingest.name | ternary "" (printf "${%s%s}" (include "app-integrations-exporter.ingestPrefix" .) ($ingest.key | default ""))) }}
{{- $selected := include "app-integrations-exporter.selected" . }}
{{- $variables := dict }}
{{- range $name, $value := include "app-integrations-exporter.brokerTemplate" . | fromYaml }}
  {{- $text := $value }}
  {{- if hasKey $values $value }}
    {{- $text = get $values $value }}
  {{- else if regexMatch "^[{<]" $value }}
    {{- $text = regexMatch (printf `(^|[\s,])(%s)([\s,:\[]|$)` (trimAll "{}<>" $value)) $selected | toString }}
  {{- end }}
  {{- /* A variable in <> is set only to switch something on. */}}
  {{- if and $text (not (and (eq $text "false") (hasPrefix "<" $value))) }}{{ $_ := set $variables $name $text }}{{ end }}
{{- end }}
{{- if eq .Values.mode "sidecar" }}
  {{- $_ := set $variables "ZEEBE_RESTORE_IGNOREFILESINTARGET" "lost+found,app-integrations" }}
{{- end }}
{{- toYaml (merge $variables (include "app-integrations-exporter.tenantVariables" . | fromYaml)) }}
{{- end }}

{{/* The variables that make every physical tenant export to us. A list in the broker's own `env` takes precedence. */}}
{{- define "app-integrations-exporter.tenantVariables" -}}
{{- with .Values.camunda.physicalTenants }}
{{- range append . "default" | uniq }}
{{- $start := printf "CAMUNDA_PHYSICALTENANTS_%s_DATA_EXPORTERS" (upper .) }}
{{ $start }}ASSIGNED: appintspool
{{- if ne . "default" }}
{{ $start }}_APPINTSPOOL_ARGS_INDEX_PREFIX: zeebe-record-{{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The selections of all backends, in a row. User tasks are the exporter's default. */}}
{{- define "app-integrations-exporter.selected" -}}
{{- $settings := include "app-integrations-exporter.settings" . | fromYaml }}
{{- $plain := get $settings "APP_INTEGRATIONS_EVENTS" | default "user-task" }}
{{- $all := list }}
{{- range splitList "," (get $settings "APP_INTEGRATIONS_BACKENDS" | default "") }}
  {{- $all = append $all (get $settings (printf "APP_INTEGRATIONS_BACKEND_%s_EVENTS" (trim . | upper)) | default $plain) }}
{{- end }}
{{- join ", " $all }}
{{- end }}

{{/* The broker's secret variables. */}}
{{- define "app-integrations-exporter.brokerSecrets" -}}
{{- $ingest := (include "app-integrations-exporter.given" . | fromYaml).ingest | default dict }}
{{- $secrets := dict }}
{{- range $name, $value := include "app-integrations-exporter.brokerTemplate" . | fromYaml }}
  {{- if and $ingest.inline (eq $value "{password}") }}{{ $_ := set $secrets $name $ingest.inline }}{{ end }}
{{- end }}
{{- toYaml $secrets }}
{{- end }}

{{- define "app-integrations-exporter.brokerTemplate" -}}
{{- get (.Files.Get "files/broker.yaml" | fromYaml) (include "app-integrations-exporter.brokerVersion" .) | default dict | toYaml }}
{{- end }}

{{/* The version of Camunda, like 8.8, 8.8.21 or 8.10.0-alpha5; empty if the value isn't a version. */}}
{{- define "app-integrations-exporter.camundaVersion" -}}
{{- $number := "(0|[1-9][0-9]*)" }}
{{- regexFind (printf `^%s\.%s(\.%s(-[0-9A-Za-z.-]+)?)?$` $number $number $number) (.Values.camunda.version | default "") }}
{{- end }}

{{/* The entry of files/broker.yaml for the version of Camunda: its own, or the newest entry for a newer version; empty if the version isn't known. */}}
{{- define "app-integrations-exporter.brokerVersion" -}}
{{- $version := include "app-integrations-exporter.camundaVersion" . | regexFind `^[0-9]+\.[0-9]+` }}
{{- if $version }}
  {{- if semverCompare ">=8.10.0" (printf "%s.0" $version) }}8.10
  {{- else if hasKey (.Files.Get "files/broker.yaml" | fromYaml) $version }}{{ $version }}
  {{- end }}
{{- end }}
{{- end }}
