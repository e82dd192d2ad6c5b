{{/*
For the notes: the lists of Camunda's release that the wiring replaces. If .found is the StatefulSet of the brokers, only lists
with entries that aren't ours or the official chart's, with these entries. One line each; .root has our values.
*/}}
{{- define "app-integrations-exporter.replaced" -}}
{{- $key := include "app-integrations-exporter.camundaKey" .root }}
{{- $wiring := get (include "app-integrations-exporter.wiring" .root | fromYaml) $key | default dict }}
{{- $ours := merge (dict "image.pullSecrets" ($wiring.image | default dict).pullSecrets) $wiring }}
{{- $pod := (((.found).spec).template).spec | default dict }}
{{- $broker := dict }}
{{- range $pod.containers }}{{ if eq .name $key }}{{ $broker = . }}{{ end }}{{ end }}
{{- $there := dict
      "command" $broker.command "env" $broker.env "envFrom" $broker.envFrom "extraVolumeMounts" $broker.volumeMounts
      "initContainers" $pod.initContainers "extraVolumes" $pod.volumes "image.pullSecrets" $pod.imagePullSecrets }}
{{- range $list, $entries := $there }}
  {{- $title := printf "%s.%s%s" $key $list (eq $list "initContainers" | ternary " or extraInitContainers" "") }}
  {{- $known := include "app-integrations-exporter.entries" (index $ours $list) | fromJsonArray }}
  {{- $others := list }}
  {{- range include "app-integrations-exporter.entries" $entries | fromJsonArray }}
    {{- if not (or (has . $known) (include "app-integrations-exporter.official" .)) }}{{ $others = append $others . }}{{ end }}
  {{- end }}
  {{- if and $known (not $pod) }}
- {{ $title }}
  {{- else if and $known $others }}
- {{ $title }}: {{ join ", " $others }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The names of the entries of a Kubernetes list, as JSON. */}}
{{- define "app-integrations-exporter.entries" -}}
{{- $names := list }}
{{- range . }}
  {{- if kindIs "string" . }}{{ $names = append $names . }}
  {{- else }}{{ $names = append $names (.name | default (.configMapRef | default .secretRef | default dict).name) }}{{ end }}
{{- end }}
{{- toJson $names }}
{{- end }}

{{/* Whether the official chart has an entry of this name itself. */}}
{{- define "app-integrations-exporter.official" -}}
{{- if regexMatch `^(bash|/usr/local/bin/startup\.sh|.*-documentstore-env-vars|config|data|exporters|tmp|keystore|gcp-credentials-volume|ca-bundle(-truststore(-init)?)?|LC_ALL|(K8S|VALUES)_.*|JAVA_TOOL_OPTIONS|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS|CAMUNDA_(LICENSE_KEY|DATABASE_PASSWORD)|AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)|GOOGLE_APPLICATION_CREDENTIALS|ZEEBE_LOG_LEVEL|ZEEBE_BROKER_(NETWORK_ADVERTISEDHOST|CLUSTER_INITIALCONTACTPOINTS|GATEWAY_ENABLE|EXPORTERS_(ELASTICSEARCH|OPENSEARCH)_.*))$` . }}yes{{ end }}
{{- end }}

{{/* For the notes: a warning for each value that doesn't fit the brokers in .found. */}}
{{- define "app-integrations-exporter.doubts" -}}
{{- $key := include "app-integrations-exporter.camundaKey" .root }}
{{- $values := .root.Values }}
{{- with ((.found.spec).template).spec }}
{{- $names := include "app-integrations-exporter.entries" .containers | fromJsonArray }}
{{- if and $key (not (has $key $names)) }}
WARNING: The brokers have no container {{ $key }}, so they are of another version than {{ $values.camunda.version }}: set camunda.version to their version.
{{- end }}
{{- if and .hostNetwork (eq $values.mode "service") $values.networkPolicy.enabled (not $values.networkPolicy.extraFrom) }}
WARNING: The brokers use the network of their nodes, so a NetworkPolicy can't recognise them: set networkPolicy.extraFrom to an ipBlock of the nodes.
{{- end }}
{{- end }}
{{- end }}
