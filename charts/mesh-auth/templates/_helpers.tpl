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

{{- define "mesh-auth.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "mesh-auth.rootNamespace" -}}
{{ .Values.operator.rootNamespace | default .Release.Namespace }}
{{- end }}
