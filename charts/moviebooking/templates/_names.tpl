{{/* The name that the release's objects have in common, short enough to have something behind it. */}}
{{- define "moviebooking.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The operator's own: Deployment, ServiceAccount and so on. */}}
{{- define "moviebooking.operator" -}}
{{ include "moviebooking.name" . }}-operator
{{- end -}}

{{/* What belongs to all of a cluster needs a name that no release in another namespace has. */}}
{{- define "moviebooking.clusterWide" -}}
{{ printf "%s-%s" .Release.Namespace (include "moviebooking.operator" .) | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* By which its pods are found: these labels may never change. */}}
{{- define "moviebooking.selector" -}}
app.kubernetes.io/name: moviebooking-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "moviebooking.labels" -}}
{{ include "moviebooking.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: moviebooking
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "moviebooking.image" -}}
{{ .Values.image.repository }}/operator:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
