{{/*
Refuse values that can't be used, all mistakes at once, in the words that the exporter itself has for them. What the schema
sees (names, types) doesn't get here. Nothing is shown of a secret.
*/}}
{{- define "app-integrations-exporter.mistakes" -}}
{{- $mistakes := list }}
{{- range list "backend" "secrets" "oauth" "env" "camunda" "ingest" "service" "image" }}
  {{- $lines := splitList "\n- " (include (printf "app-integrations-exporter.mistakes.%s" .) $ | printf "\n%s") }}
  {{- range rest $lines }}{{ $mistakes = append $mistakes (trim .) }}{{ end }}
{{- end }}
{{- with $mistakes }}
  {{- fail (printf "The values can't be used. Correct these, the chart's README.md has all:\n  %s" (join "\n  " .)) }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.backend" -}}
{{- $given := include "app-integrations-exporter.given" . | fromYaml }}
{{- if get (.Values.env | default dict) "APP_INTEGRATIONS_BACKENDS" }}
  {{- if .Values.backend.url }}
- backend.url is set together with env.APP_INTEGRATIONS_BACKENDS, must be set for one of them, like env.APP_INTEGRATIONS_BACKEND_TEAMS_URL
  {{- end }}
  {{- range omit $given "ingest" "tls.ca" }}
- {{ .value }}.secret is set together with env.APP_INTEGRATIONS_BACKENDS, must be set for one of them in extraEnv
  {{- end }}
{{- else if and .Values.backend.url $given.backend }}
- backend.url and backend.secret are both set, must be only one of them
{{- else if .Values.backend.url }}
  {{- include "app-integrations-exporter.wrong" (dict "root" . "name" "APP_INTEGRATIONS_URL" "place" "backend.url" "value" (tpl .Values.backend.url .)) }}
{{- else if not $given.backend }}
- backend.url is not set, must be {{ (get (.Files.Get "files/settings.yaml" | fromYaml) "APP_INTEGRATIONS_URL").be }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.secrets" -}}
{{- $given := include "app-integrations-exporter.given" . | fromYaml }}
{{- $env := .Values.env | default dict }}
{{- range $given }}
  {{- $place := printf "%s.secret" .value }}
  {{- $other := ternary .variable (printf "%s_FILE" .variable) (default false .file) }}
  {{- if get $env $other }}
- env.{{ $other }} and {{ $place }} are both set, must be only one of them
  {{- end }}
  {{- if .both }}
- {{ $place }}.inlineSecret and {{ $place }}.existingSecret are both set, must be only one of them
  {{- else if and .key (not .name) }}
- {{ $place }}.existingSecret is not set, must be the name of a Secret with the key {{ .key }}
  {{- else if and .name (not .key) }}
- {{ $place }}.existingSecretKey is not set, must be the key in the Secret {{ .name }}
  {{- else if and .inline (not .file) }}
    {{- $place = printf "%s.inlineSecret" $place }}
    {{- include "app-integrations-exporter.wrong" (dict "root" $ "name" .variable "place" $place "value" .inline "hidden" true) }}
  {{- end }}
{{- end }}
{{- if and (index $given "tls.key") (not (index $given "tls.cert")) (not $env.APP_INTEGRATIONS_TLS_CERT_PATH) }}
- tls.cert.secret is not set, must be the certificate that belongs to tls.key
{{- end }}
{{- end }}

{{/* Each part of it may also be in a file, or be taken from somewhere by extraEnv. */}}
{{- define "app-integrations-exporter.mistakes.oauth" -}}
{{- $given := include "app-integrations-exporter.given" . | fromYaml }}
{{- $told := list }}
{{- range $name, $value := .Values.env }}{{ if $value }}{{ $told = append $told (trimSuffix "_FILE" $name) }}{{ end }}{{ end }}
{{- range .Values.extraEnv }}{{ $told = append $told .name }}{{ end }}
{{- $secret := or $given.oauth (has "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET" $told) }}
{{- if and $given.apiKey $secret }}
- apiKey.secret and oauth.secret are both set, must be only one of them
{{- end }}
{{- range list "APP_INTEGRATIONS_OAUTH_CLIENT_ID" "APP_INTEGRATIONS_OAUTH_AUTHORIZATION_SERVER_URL" }}
  {{- if and $secret (not (has . $told)) }}
- env.{{ . }} is not set, must be set where oauth.secret is
  {{- else if and (has . $told) (not $secret) }}
- oauth.secret is not set, must be set where env.{{ . }} is
  {{- end }}
{{- end }}
{{- end }}

{{/* What `env` may not hold, and the value that says it instead. */}}
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
{{- range $name, $value := .Values.env }}
  {{- with tpl (include "app-integrations-exporter.text" $value) $ }}
    {{- /* The same setting without the name of a backend. */}}
    {{- $plain := regexReplaceAll `^APP_INTEGRATIONS_BACKEND_[A-Z0-9]+_` $name "APP_INTEGRATIONS_" }}
    {{- if and (ne $plain $name) (regexMatch `_(API_KEY|CLIENT_SECRET|SECRETS|HEADERS)$` $name) }}
- {{ printf "env.%s is set, must be said in extraEnv, from a Secret" $name }}
    {{- else if or (ne $plain $name) (not (hasKey $elsewhere $name)) }}
      {{- $wrong := include "app-integrations-exporter.wrong" (dict "root" $ "name" $plain "place" (printf "env.%s" $name) "value" .) }}
      {{- $wrong }}
      {{- if and (not $wrong) (kindIs "float64" $value) (gt $value 9007199254740991.0) }}
- {{ printf "env.%s is a number with more digits than Helm keeps, must be in quotes" $name }}
      {{- end }}
    {{- else if get $elsewhere $name }}
- {{ printf "env.%s is set, must be said by the value %s instead" $name (get $elsewhere $name) }}
    {{- else }}
- {{ printf "env.%s is set, must be left to this chart, which mounts a volume there" $name }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range .Values.extraEnv }}
  {{- if hasKey $elsewhere .name }}
- {{ printf "extraEnv has %s, must leave it to %s" .name (get $elsewhere .name | default "this chart") }}
  {{- end }}
{{- end }}
{{- /* In the image the entrypoint tells the broker itself. */}}
{{- if ne .Values.mode "embedded" }}
  {{- $unseen := dict }}
  {{- range .Values.extraEnv }}{{ $_ := set $unseen .name "extraEnv has" }}{{ end }}
  {{- range $name, $value := .Values.env }}
    {{- if and $value (hasSuffix "_FILE" $name) }}{{ $_ := set $unseen $name "env has" }}{{ end }}
  {{- end }}
  {{- range $name, $where := $unseen }}
    {{- if regexMatch `^APP_INTEGRATIONS_(BACKENDS|(BACKEND_[A-Z0-9]+_)?EVENTS|BROKER_BULK_SIZE|INGEST_(HOST|PORT|USERNAME)|ADMIN_PORT)(_FILE)?$` $name }}
- {{ printf "%s %s, must be said by env.%s, so that the brokers and Services know it, too, in mode %s" $where $name (trimSuffix "_FILE" $name) $.Values.mode }}
    {{- end }}
  {{- end }}
{{- end }}
{{- $ports := list (include "app-integrations-exporter.ingestPort" .) (include "app-integrations-exporter.adminPort" .) }}
{{- if has "0" $ports }}
- env.APP_INTEGRATIONS_INGEST_PORT or env.APP_INTEGRATIONS_ADMIN_PORT is 0, must be a port that others can be told
{{- else if eq (first $ports) (last $ports) }}
- env.APP_INTEGRATIONS_ADMIN_PORT is {{ last $ports }}, like APP_INTEGRATIONS_INGEST_PORT, must be another one
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.camunda" -}}
{{- $version := .Values.camunda.version }}
{{- if $version }}
  {{- if not (include "app-integrations-exporter.brokerVersion" .) }}
- camunda.version is {{ $version | quote }}, must be like 8.8 or 8.8.21, and 8.5 or later
  {{- end }}
{{- else }}
- camunda.version is not set, must be the version of your Camunda, like 8.8
{{- end }}
{{- $known := include "app-integrations-exporter.brokerVersion" . | trim }}
{{- if and .Values.camunda.physicalTenants $known (ne $known "8.10") }}
- camunda.physicalTenants is set, must be left out before Camunda 8.10
{{- end }}
{{- if and (eq .Values.mode "embedded") (not (include "app-integrations-exporter.image" .)) }}
- camunda.version doesn't name an image, must be the whole version of your Camunda, like 8.8.21, or image.tag be set, in mode embedded
{{- end }}
{{- if and (eq .Values.mode "sidecar") (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) }}
- mode is sidecar, must be embedded or service before Kubernetes 1.29 (this one is {{ .Capabilities.KubeVersion.Version }})
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.ingest" -}}
{{- $host := include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_INGEST_HOST" "default" "127.0.0.1") }}
{{- $alone := regexMatch `^(localhost|127\..*|::1)$` $host }}
{{- $secret := (include "app-integrations-exporter.given" . | fromYaml).ingest }}
{{- $key := ($secret | default dict).key | default "" }}
{{- if and (ne .Values.mode "embedded") (not (regexMatch `^[A-Za-z0-9_]*$` $key)) }}
- ingest.secret.existingSecretKey is {{ quote $key }}, must be of A-Z a-z 0-9 _ in mode {{ .Values.mode }}, as it becomes part of a variable's name
{{- end }}
{{- if not (or $secret $alone) }}
- ingest.secret is not set, must be a password for the brokers, as others could reach the ingest at {{ $host }} (mode {{ .Values.mode }})
{{- else if and (not $secret) (.Values.env | default dict).APP_INTEGRATIONS_INGEST_USERNAME }}
- ingest.secret is not set, must be set where env.APP_INTEGRATIONS_INGEST_USERNAME is
{{- end }}
{{- $username := include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_INGEST_USERNAME" "default" "") }}
{{- range $place, $text := dict "ingest.secret.inlineSecret" ($secret | default dict).inline "env.APP_INTEGRATIONS_INGEST_USERNAME" $username }}
  {{- if $text | default "" | contains "${" }}
- {{ $place }} is there, must be without ${, which the broker replaces
  {{- end }}
{{- end }}
{{- if and $alone (eq .Values.mode "service") }}
- env.APP_INTEGRATIONS_INGEST_HOST is {{ quote $host }}, must be an address that the brokers reach in mode service
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.service" -}}
{{- if eq .Values.mode "service" }}
  {{- if not (regexMatch `^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$` .Values.persistence.size) }}
- persistence.size is {{ .Values.persistence.size | quote }}, must be a size like 4Gi
  {{- end }}
{{- else if .Values.serviceMonitor.enabled }}
- serviceMonitor.enabled is true, must be false in mode {{ .Values.mode }}, which has no Service; use podMonitor.enabled
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mistakes.image" -}}
{{- with .Values.image.digest }}
  {{- if not (regexMatch `^sha256:[0-9a-f]{64}$` .) }}
- image.digest is {{ . | quote }}, must be sha256: and 64 of 0-9 a-f
  {{- end }}
{{- end }}
{{- if not .Values.image.repository }}
- image.repository is not set, must be the name of the image
{{- end }}
{{- end }}

{{/* A line about .value unless the setting .name may have it; it's at .place, and not shown if it's .hidden. */}}
{{- define "app-integrations-exporter.wrong" -}}
{{- $must := get (.root.Files.Get "files/settings.yaml" | fromYaml) .name | default dict }}
{{- $wrong := false }}
{{- if hasKey $must "least" }}
  {{- $wrong = or (not (regexMatch `^(0|[1-9][0-9]{0,17})$` .value)) (lt (int64 .value) (int64 $must.least)) (gt (int64 .value) (int64 $must.most)) }}
{{- else if hasKey $must "pattern" }}
  {{- $wrong = not (regexMatch (printf `\A(?:%s)\z` $must.pattern) .value) }}
{{- end }}
{{- if $wrong }}
  {{- /* A user, a password, a token may be in a URL. */}}
  {{- $shown := regexReplaceAll `(?s)([?#]).*` (regexReplaceAll `(?s)^.*@` .value "...@") "${1}..." }}
- {{ printf "%s is %s, must be %s" .place (ternary "there" (quote $shown) (default false .hidden)) $must.be }}
{{- end }}
{{- end }}
