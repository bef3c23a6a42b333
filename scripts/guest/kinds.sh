# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Three kinds of memory, and the table of operations on them: source it after host.sh.
#
#	egm	/dev/egm4
#	dax	/dev/dax0.0, made of the memory of egm5
#	huge	/tmp/huge/memory, a file on hugetlbfs

kinds='egm dax huge'
table=/egm/tests/nvgrace-egm-operations.csv
pool=/sys/kernel/mm/hugepages/hugepages-2048kB

# file_of KIND
file_of() {
	case $1 in
	egm) echo /dev/egm4 ;;
	dax) echo /dev/dax0.0 ;;
	huge) echo /tmp/huge/memory ;;
	esac
}

# node_of KIND - the NUMA node of the kind's memory
node_of() {
	case $1 in
	egm) cat /sys/class/egm/egm4/numa_node ;;
	dax) echo "$dax_node" ;;
	huge) echo 0 ;;
	esac
}

# have_dax - make a device of device-dax of the memory of egm5
have_dax() {
	dax_base=$(base_of egm5) && dax_size=$(cat /sys/class/egm/egm5/egm_size) || return 1
	dax_node=$(cat /sys/class/egm/egm5/numa_node)
	egm_unbind egm5
	modprobe device_dax && insmod /egm/tests/egm_dax.ko base="$dax_base" size="$dax_size" &&
		wait_until 10 test -c /dev/dax0.0
}

# have_no_dax - remove it and bind egm5 again
have_no_dax() { rmmod egm_dax && egm_bind egm5; }

# have_huge PAGES SIZE - allocate PAGES huge pages of 2 MiB, and make a file of SIZE
have_huge() {
	echo "$1" >$pool/nr_hugepages
	cat $pool/nr_hugepages
	[ "$(cat $pool/nr_hugepages)" = "$1" ] && mkdir -p /tmp/huge &&
		mount -t hugetlbfs -o pagesize=2M hugetlbfs /tmp/huge &&
		truncate -s "$2" /tmp/huge/memory
}

# have_no_huge - remove the file and free the huge pages
have_no_huge() { rm /tmp/huge/memory && umount /tmp/huge && echo 0 >$pool/nr_hugepages; }

# Rows of the table are "name",EGM,device-dax,hugetlbfs,"why".
# table_names - the names of all rows
table_names() { sed -n '2,$s/^"\([^"]*\)".*/\1/p' $table; }

# table_cells NAME - the row's results in the table, for all kinds
table_cells() {
	awk -v name="\"$1\"," 'index($0, name) == 1 {
		cells = substr($0, length(name) + 1)
		sub(/,".*/, "", cells)
		print cells
	}' $table
}

# saw KIND NAME RESULT... - record a result for row()
saw() {
	saw_kind=$1 saw_name=$2
	shift 2
	printf '%s\t%s\n' "$saw_name" "$*" >>"/tmp/saw.$saw_kind"
}

# seen_cells NAME - the row's recorded results, for all kinds
seen_cells() {
	for kind in $kinds; do
		awk -F '\t' -v name="$1" '$1 == name { seen = $2 }
			END { printf "%s", seen == "" ? "not run" : seen }' "/tmp/saw.$kind"
		[ "$kind" = huge ] || printf ,
	done
}

# row NAME - does the table have the recorded results, for all kinds?
row() {
	row_seen=$(seen_cells "$1") row_table=$(table_cells "$1")
	echo "seen:  $row_seen"
	echo "table: $row_table"
	[ "$row_seen" = "$row_table" ]
}

# rows_are_table - were exactly the rows of /tmp/rows run, each once?
rows_are_table() {
	cut -f 1 /tmp/saw.* | sort -u >/tmp/rows.run
	sort /tmp/rows >/tmp/rows.table
	diff /tmp/rows.run /tmp/rows.table
}

# check_rows - a check of rows_are_table(), and one of each row of /tmp/rows
check_rows() {
	check "the table has each row that was run and no other" rows_are_table
	while read -r name; do
		check "$name: $(table_cells "$name")" row "$name"
	done </tmp/rows
}
