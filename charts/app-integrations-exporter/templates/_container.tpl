{{/* The exporter's own container, without its probes, which differ: modes sidecar and service. */}}
{{- define "app-integrations-exporter.container" -}}
{{- $sidecar := eq .Values.mode "sidecar" -}}
{{- $env := include "app-integrations-exporter.extraEnv" . | fromYamlArray }}
{{- if $sidecar }}
  {{- /* When the exporter is off, it has no settings, but it's still probed at this address. */}}
  {{- $host := include "app-integrations-exporter.setting" (dict "root" . "name" "APP_INTEGRATIONS_ADMIN_HOST" "default" "") }}
  {{- $port := include "app-integrations-exporter.adminPort" . }}
  {{- $env = concat (list (dict "name" "APP_INTEGRATIONS_ADMIN_HOST" "value" $host) (dict "name" "APP_INTEGRATIONS_ADMIN_PORT" "value" $port)) $env }}
{{- end -}}
name: {{ include "app-integrations-exporter.name" . }}
args: {{ ternary (list "run" "--standby") (list "run") $sidecar | toJson }}
{{- with $env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{ include "app-integrations-exporter.runtime" . }}
ports:
  {{- if not $sidecar }}
  - name: ingest
    containerPort: {{ include "app-integrations-exporter.ingestPort" . }}
  {{- end }}
  - name: exporter-admin
    containerPort: {{ include "app-integrations-exporter.adminPort" . }}
volumeMounts:
  {{- if $sidecar }}
  - name: data
    mountPath: /data
  {{- else }}
  - name: spool
    mountPath: {{ include "app-integrations-exporter.spoolDir" . }}
  {{- end }}
  {{- with include "app-integrations-exporter.mounts" . | fromYamlArray }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The image, variables and limits of each container of the exporter, including `helm test`. Its Secret is optional: there may be no secrets. */}}
{{- define "app-integrations-exporter.runtime" -}}
image: {{ include "app-integrations-exporter.image" . | quote }}
imagePullPolicy: {{ include "app-integrations-exporter.pullPolicy" . }}
envFrom:
  - configMapRef:
      name: {{ include "app-integrations-exporter.ownEnv" . }}
      {{- if ne .Values.mode "service" }}
      optional: true
      {{- end }}
  - secretRef:
      name: {{ include "app-integrations-exporter.ownEnv" . }}
      optional: true
  {{- with .Values.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- include "app-integrations-exporter.securityContext" (dict "root" . "context" .Values.containerSecurityContext) | nindent 2 }}
{{- end }}

{{- define "app-integrations-exporter.extraEnv" -}}
{{- tpl (.Values.extraEnv | default list | toYaml) . }}
{{- end }}

{{/* A probe of .path on the admin port, with the fields of .probe; left out if .probe is empty. */}}
{{- define "app-integrations-exporter.probe" -}}
{{- with .probe }}
{{- toYaml . }}
httpGet:
  path: {{ $.path }}
  port: exporter-admin
{{- end }}
{{- end }}

{{/* The security context .context, without user and groups if the cluster of .root chooses them; the official chart decides in the same way. */}}
{{- define "app-integrations-exporter.securityContext" -}}
{{- $adapt := .root.Values.global.compatibility.openshift.adaptSecurityContext }}
{{- $openshift := .root.Capabilities.APIVersions.Has "security.openshift.io/v1" }}
{{- $context := .context | default dict }}
{{- if or (eq $adapt "force") (and (eq $adapt "auto") $openshift) }}{{ $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}{{ end }}
{{- toYaml $context }}
{{- end }}
