-- Functions that run as their owner look into temporary tables last of all, as 0008 has it: 0021 made these anew without.
alter function kpi_rebuild() set search_path = pg_catalog, public, pg_temp;
alter function contribution_link_rebuild() set search_path = pg_catalog, public, pg_temp;
alter function contribution_link_flush() set search_path = pg_catalog, public, pg_temp;
