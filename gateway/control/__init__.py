"""The control process: owner of the databases, builder of snapshots, reader of records, server of the admin API."""
