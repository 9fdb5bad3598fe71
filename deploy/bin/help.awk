# Lists the targets of the Makefile: "##@ Group" begins a group, "target: ... ## text" is a line of it.
BEGIN { FS = ":.*## "; print "make <target>" }
/^##@/ { printf "\n%s\n", substr($0, 5) }
/^[a-z0-9-]+:.*## / { printf "  %-17s %s\n", $1, $2 }
