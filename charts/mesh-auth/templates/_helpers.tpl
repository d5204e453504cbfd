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
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* With (list CONTEXT OWN): the annotations that every object gets, and its own; nothing at all where there are none. */}}
{{- define "mesh-auth.annotations" -}}
{{- $all := merge (dict) (index . 1) (index . 0).Values.commonAnnotations -}}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The user that the operator is to the API server. */}}
{{- define "mesh-auth.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "mesh-auth.name" . }}
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

{{/* As a JSON list: empty, or the namespaces that are watched: those named, and the root namespace. */}}
{{- define "mesh-auth.watched" -}}
{{- $watched := list -}}
{{- if .Values.watchNamespaces -}}
{{- $watched = append .Values.watchNamespaces (include "mesh-auth.rootNamespace" .) | uniq | sortAlpha -}}
{{- end -}}
{{- toJson $watched -}}
{{- end }}
