{{/*
Every secret there is: the value that has it, the variable it becomes, and whether that variable must name a file.
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
The secrets that are given, by their value: `inline`, or the `name` of a Secret and the `key` in it. What has a `path` is a file there:
what must be one, and what lies in somebody else's Secret, so that its keys may have any name. The end of a line at the end of a
secret comes from the file it was in (`--set-file`): of a variable it's no part.
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

{{/* The volume with those that are files. In a broker's pod nothing that is missing may keep the broker from starting. */}}
{{- define "app-integrations-exporter.volume" -}}
{{- $optional := ne .Values.mode "service" }}
{{- $sources := list }}
{{- range include "app-integrations-exporter.given" . | fromYaml }}
  {{- if and .path .name .key }}
    {{- $items := list (dict "key" .key "path" .value) }}
    {{- $sources = append $sources (dict "secret" (dict "name" .name "items" $items "optional" $optional)) }}
  {{- end }}
{{- end }}
{{- with $sources }}
- name: app-integrations-secrets
  projected:
    defaultMode: 0444
    sources:
      {{- toYaml . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "app-integrations-exporter.mount" -}}
{{- if include "app-integrations-exporter.volume" . -}}
- name: app-integrations-secrets
  mountPath: /etc/app-integrations
  readOnly: true
{{- end }}
{{- end }}

{{/* The secrets that are variables themselves. */}}
{{- define "app-integrations-exporter.secretVariables" -}}
{{- $variables := dict }}
{{- range include "app-integrations-exporter.given" . | fromYaml }}
  {{- if not .path }}{{ $_ := set $variables .variable .inline }}{{ end }}
{{- end }}
{{- toYaml $variables }}
{{- end }}
