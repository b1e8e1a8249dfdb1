{{- define "moviebooking-platform.version" -}}
{{ .Values.version | default .Chart.AppVersion }}
{{- end -}}

{{- define "moviebooking-platform.labels" -}}
app.kubernetes.io/name: moviebooking-platform
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "moviebooking-platform.version" . | quote }}
app.kubernetes.io/part-of: moviebooking
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end -}}
