{{/*
All secrets: the value with the secret, its variable, and whether the variable must name a file.
*/}}
{{- define "app-integrations-exporter.secrets" -}}
- {value: backend, variable: APP_INTEGRATIONS_URL}
- {value: apiKey, variable: APP_INTEGRATIONS_API_KEY}
- {value: oauth, variable: APP_INTEGRATIONS_OAUTH_CLIENT_SECRET}
- {value: signing, variable: APP_INTEGRATIONS_SIGNING_SECRETS}
- {value: headers, variable: APP_INTEGRATIONS_HEADERS}
- {value: ingest, variable: APP_INTEGRATIONS_INGEST_PASSWORD}
- {value: tls.ca, variable: APP_INTEGRATIONS_TLS_CA_PATH, file: true}
- {value: tls.cert, variable: APP_INTEGRATIONS_TLS_CERT_PATH, file: true}
- {value: tls.key, variable: APP_INTEGRATIONS_TLS_KEY_PATH, file: true}
{{- end }}

{{/*
The secrets that are set, by their value: `inline`, or the `name` of a Secret and the `key` in it. A secret with a `path` is mounted
there as a file: if it must be a file, or if it comes from an existing Secret, whose keys may have any name. Spaces and line ends around
an inline secret, like the last one of its file (`--set-file`), aren't part of the variable: the exporter ignores them, but a broker doesn't.
*/}}
{{- define "app-integrations-exporter.given" -}}
{{- $given := dict }}
{{- range $each := include "app-integrations-exporter.secrets" . | fromYamlArray }}
  {{- $value := $.Values }}
  {{- range $part := splitList "." $each.value }}
    {{- $value = index $value $part | default dict }}
  {{- end }}
  {{- with $value.secret }}
    {{- $inline := .inlineSecret | default "" }}
    {{- if not $each.file }}{{ $inline = trim $inline }}{{ end }}
    {{- $place := dict "name" .existingSecret "key" .existingSecretKey }}
    {{- if and $inline $each.file }}
      {{- $place = dict "name" (include "app-integrations-exporter.files" $) "key" $each.value }}
    {{- end }}
    {{- if or $inline .existingSecret .existingSecretKey }}
      {{- $path := ternary "" (printf "/etc/app-integrations/%s" $each.value) (and (not $place.name) (not $each.file)) }}
      {{- $both := and $inline (or .existingSecret .existingSecretKey) | empty | not }}
      {{- $_ := merge (dict "inline" $inline "path" $path "both" $both) $place $each | set $given $each.value }}
    {{- end }}
  {{- end }}
{{- end }}
{{- toYaml $given }}
{{- end }}

{{- define "app-integrations-exporter.files" -}}app-integrations-exporter-files{{- end }}

{{/* The secrets that are files, as sources of a volume. In a broker's pod, a missing Secret must not keep the broker from starting. */}}
{{- define "app-integrations-exporter.sources" -}}
{{- $optional := ne .Values.mode "service" }}
{{- $sources := list }}
{{- range include "app-integrations-exporter.given" . | fromYaml }}
  {{- if and .path .name .key }}
    {{- $items := list (dict "key" .key "path" .value) }}
    {{- $sources = append $sources (dict "secret" (dict "name" .name "items" $items "optional" $optional)) }}
  {{- end }}
{{- end }}
{{- toYaml $sources }}
{{- end }}

{{/* The volumes and the mounts of the exporter, except the spool. */}}
{{- define "app-integrations-exporter.volumes" -}}
{{- $volumes := .Values.extraVolumes | default list }}
{{- with include "app-integrations-exporter.sources" . | fromYamlArray }}
  {{- $volumes = prepend $volumes (dict "name" "app-integrations-secrets" "projected" (dict "defaultMode" 0444 "sources" .)) }}
{{- end }}
{{- toYaml $volumes }}
{{- end }}

{{- define "app-integrations-exporter.mounts" -}}
{{- $mounts := .Values.extraVolumeMounts | default list }}
{{- if include "app-integrations-exporter.sources" . | fromYamlArray }}
  {{- $mounts = prepend $mounts (dict "name" "app-integrations-secrets" "mountPath" "/etc/app-integrations" "readOnly" true) }}
{{- end }}
{{- toYaml $mounts }}
{{- end }}

{{/* The secrets that are variables. */}}
{{- define "app-integrations-exporter.secretVariables" -}}
{{- $variables := dict }}
{{- range include "app-integrations-exporter.given" . | fromYaml }}
  {{- if not .path }}{{ $_ := set $variables .variable .inline }}{{ end }}
{{- end }}
{{- toYaml $variables }}
{{- end }}
