{{/* The one name: of the Deployment, ServiceAccount, Services, Lease and roles. Agents and certificates know it. */}}
{{- define "mesh-auth.name" -}}
mesh-auth-operator
{{- end }}

{{- define "mesh-auth.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mesh-auth.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mesh-auth.labels" -}}
{{ include "mesh-auth.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: nginx-mesh-auth
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* With (list IMAGE VALUES, CONTEXT). */}}
{{- define "mesh-auth.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 1).Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Known to the operator, which writes caBundle into it and may write nothing else of that kind. */}}
{{- define "mesh-auth.injector" -}}
mesh-auth-injector
{{- end }}

{{- define "mesh-auth.rootNamespace" -}}
{{ .Values.operator.rootNamespace | default .Release.Namespace }}
{{- end }}
