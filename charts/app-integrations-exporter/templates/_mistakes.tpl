{{/*
Refuse values that only Helm can check, all mistakes at once. The exporter checks the settings themselves: it doesn't start with
wrong ones and logs why, and `helm test` runs its `check`.
*/}}
{{- define "app-integrations-exporter.mistakes" -}}
{{- $mistakes := list }}
{{- range list "secrets" "env" "unseen" "ingest" "camunda" }}
  {{- $lines := splitList "\n- " (include (printf "app-integrations-exporter.mistakes.%s" .) $ | printf "\n%s") }}
  {{- range rest $lines }}{{ $mistakes = append $mistakes (trim .) }}{{ end }}
{{- end }}
{{- with $mistakes }}
  {{- fail (printf "The values can't be used. Correct these (the chart's README.md lists all values):\n  %s" (join "\n  " .)) }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.secrets" -}}
{{- $given := include "app-integrations-exporter.given" . | fromYaml }}
{{- $env := .Values.env | default dict }}
{{- $several := get $env "APP_INTEGRATIONS_BACKENDS" }}
{{- if and $several .Values.backend.url }}
- backend.url is set together with env.APP_INTEGRATIONS_BACKENDS; set it for one backend, like env.APP_INTEGRATIONS_BACKEND_TEAMS_URL
{{- else if and .Values.backend.url $given.backend }}
- backend.url and backend.secret are both set; remove one of them
{{- else if not (or $several .Values.backend.url $given.backend) }}
- backend.url is not set; set it to the URL that batches are posted to
{{- end }}
{{- range $given }}
  {{- $place := printf "%s.secret" .value }}
  {{- $other := ternary .variable (printf "%s_FILE" .variable) (default false .file) }}
  {{- if and $several (not (has .value (list "ingest" "tls.ca"))) }}
- {{ $place }} is set together with env.APP_INTEGRATIONS_BACKENDS; set it for one backend, in extraEnv
  {{- end }}
  {{- if get $env $other }}
- env.{{ $other }} and {{ $place }} are both set; remove one of them
  {{- end }}
  {{- if .both }}
- {{ $place }}.inlineSecret and {{ $place }}.existingSecret are both set; remove one of them
  {{- else if and .key (not .name) }}
- {{ $place }}.existingSecret is not set; set it to the name of a Secret with the key {{ .key }}
  {{- else if and .name (not .key) }}
- {{ $place }}.existingSecretKey is not set; set it to the key in the Secret {{ .name }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The variables that `env` and `extraEnv` can't have, and the value to use instead. */}}
{{- define "app-integrations-exporter.elsewhere" -}}
APP_INTEGRATIONS_ENABLED: enabled
APP_INTEGRATIONS_URL: backend.url
APP_INTEGRATIONS_SPOOL_DIR: ""
{{- range include "app-integrations-exporter.secrets" . | fromYamlArray }}
{{- if not (or .file (eq .value "backend")) }}
{{ .variable }}: {{ .value }}.secret
{{- end }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.env" -}}
{{- $elsewhere := include "app-integrations-exporter.elsewhere" . | fromYaml }}
{{- $found := dict }}
{{- range .Values.extraEnv }}{{ $_ := set $found .name "extraEnv has" }}{{ end }}
{{- range $name, $value := .Values.env }}
  {{- if tpl (include "app-integrations-exporter.text" $value) $ }}{{ $_ := set $found $name "env has" }}{{ end }}
  {{- if and (kindIs "float64" $value) (gt $value 9007199254740991.0) }}
- {{ printf "env.%s is a number with more digits than Helm keeps; put it in quotes" $name }}
  {{- end }}
{{- end }}
{{- range $name, $where := $found }}
  {{- if hasKey $elsewhere $name }}
- {{ $where }} {{ $name }}; {{ with get $elsewhere $name }}set {{ . }} instead{{ else }}remove it: this chart mounts a volume there{{ end }}
  {{- else if and (eq $where "env has") (regexMatch `^APP_INTEGRATIONS_BACKEND_[A-Z0-9]+_(API_KEY|OAUTH_CLIENT_SECRET|SIGNING_SECRETS|HEADERS)$` $name) }}
- {{ $where }} {{ $name }}; move it to extraEnv, where it can come from a Secret
  {{- end }}
{{- end }}
{{- end }}

{{/* In the modes `sidecar` and `service`, brokers and Services need some settings too. In mode `embedded`, the image passes them on. */}}
{{- define "app-integrations-exporter.mistakes.unseen" -}}
{{- if ne .Values.mode "embedded" }}
  {{- $unseen := dict }}
  {{- range .Values.extraEnv }}{{ $_ := set $unseen .name "extraEnv has" }}{{ end }}
  {{- range $name, $value := .Values.env }}
    {{- if and $value (hasSuffix "_FILE" $name) }}{{ $_ := set $unseen $name "env has" }}{{ end }}
  {{- end }}
  {{- range $name, $where := $unseen }}
    {{- if regexMatch `^APP_INTEGRATIONS_(BACKENDS|(BACKEND_[A-Z0-9]+_)?EVENTS|BROKER_BULK_SIZE|INGEST_(HOST|PORT|USERNAME)|ADMIN_PORT)(_FILE)?$` $name }}
- {{ $where }} {{ $name }}; set env.{{ trimSuffix "_FILE" $name }} instead, because brokers and Services need it in mode {{ $.Values.mode }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range list "INGEST_PORT" "ADMIN_PORT" "BROKER_BULK_SIZE" }}
  {{- $name := printf "APP_INTEGRATIONS_%s" . }}
  {{- $number := include "app-integrations-exporter.setting" (dict "root" $ "name" $name "default" "1") }}
  {{- if not (regexMatch `^[1-9][0-9]{0,8}$` $number) }}
- env.{{ $name }} is {{ quote $number }}; set a fixed number, because brokers and Services need it
  {{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (ne .Values.mode "service") }}
- serviceMonitor.enabled is true, but there is no Service in mode {{ .Values.mode }}; set podMonitor.enabled instead
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.ingest" -}}
{{- $host := include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_INGEST_HOST" "default" "127.0.0.1") }}
{{- $username := include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_INGEST_USERNAME" "default" "") }}
{{- $secret := (include "app-integrations-exporter.given" . | fromYaml).ingest | default dict }}
{{- if and (ne .Values.mode "embedded") (not (regexMatch `^[A-Za-z0-9_]*$` ($secret.key | default ""))) }}
- ingest.secret.existingSecretKey is {{ quote $secret.key }}; use only letters, digits and _, because it becomes part of a variable in mode {{ .Values.mode }}
{{- end }}
{{- range $place, $text := dict "ingest.secret.inlineSecret" $secret.inline "env.APP_INTEGRATIONS_INGEST_USERNAME" $username }}
  {{- if $text | default "" | contains "${" }}
- {{ $place }} contains ${, which the broker would replace; use a text without it
  {{- end }}
{{- end }}
{{- $loopback := `^((?i)localhost|127\..*|::1)$` }}
{{- $admin := include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_ADMIN_HOST" "default" "") }}
{{- $unprobed := and (eq .Values.mode "sidecar") (not .Values.livenessProbe) }}
{{- if and (ne .Values.mode "embedded") (not $unprobed) (regexMatch $loopback $admin) }}
- env.APP_INTEGRATIONS_ADMIN_HOST is {{ quote $admin }}, which probes can't reach in mode {{ .Values.mode }}; remove it
  {{- if eq .Values.mode "sidecar" }}, or set livenessProbe to null{{ end }}
{{- end }}
{{- if eq .Values.mode "service" }}
  {{- if regexMatch $loopback $host }}
- env.APP_INTEGRATIONS_INGEST_HOST is {{ quote $host }}, which brokers can't reach in mode service; remove it
  {{- else if not $secret }}
- ingest.secret is not set; set the password that brokers send in mode service
  {{- end }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.camunda" -}}
{{- $version := .Values.camunda.version }}
{{- $known := include "app-integrations-exporter.brokerVersion" . | trim }}
{{- if not $version }}
- camunda.version is not set; set it to the version of your Camunda, like 8.8
{{- else if not $known }}
- camunda.version is {{ quote $version }}; it must be like 8.8 or 8.8.21, and 8.5 or later
{{- else if and .Values.camunda.physicalTenants (ne $known "8.10") }}
- camunda.physicalTenants is set; remove it, or use Camunda 8.10 or later
{{- end }}
{{- if and (eq .Values.mode "embedded") (not (include "app-integrations-exporter.image" .)) }}
- camunda.version doesn't name an image; in mode embedded, set the whole version of your Camunda, like 8.8.21, or set image.tag
{{- end }}
{{- if and (eq .Values.mode "sidecar") (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) }}
- mode is sidecar, which needs Kubernetes 1.29 (this one is {{ .Capabilities.KubeVersion.Version }}); use embedded or service
{{- end }}
{{- end }}
