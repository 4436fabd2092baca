-- Runs of a workflow are counted without gaps, and two submissions at once never share a number.
CREATE UNIQUE INDEX run_numbers ON runs (repository, workflow_path, number) WHERE workflow_path <> '';
