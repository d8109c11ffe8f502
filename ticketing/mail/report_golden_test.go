package mail

import (
	"testing"
)

// TestReportGolden reads each report of testdata/report, one for each dialect, and compares
// with the file beside it. After a change that is meant: go test -run ReportGolden -update,
// and read the difference.
func TestReportGolden(t *testing.T) {
	compareGolden(t, "report", 40, func(raw []byte) any { return Intake(raw).Report })
}
