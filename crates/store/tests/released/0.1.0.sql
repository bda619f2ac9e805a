


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);



CREATE TABLE public.accounts (
    id text NOT NULL,
    slug text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    created_on bigint NOT NULL
);



CREATE TABLE public.audit (
    number bigint NOT NULL,
    id text NOT NULL,
    account_id text NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    resource text NOT NULL,
    resource_id text NOT NULL,
    before text,
    after text
);



ALTER TABLE public.audit ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.bundles (
    etag text NOT NULL,
    size bigint NOT NULL
);



CREATE TABLE public.certificates (
    id text NOT NULL,
    account_id text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    ca bigint NOT NULL,
    pem text NOT NULL,
    sealed_key bytea,
    created_on bigint NOT NULL,
    CONSTRAINT certificates_ca_check CHECK ((ca = ANY (ARRAY[(0)::bigint, (1)::bigint])))
);



CREATE TABLE public.deployment_versions (
    deployment_id text NOT NULL,
    version_id text NOT NULL,
    basis_points bigint NOT NULL,
    CONSTRAINT deployment_versions_basis_points_check CHECK (((basis_points >= 0) AND (basis_points <= 10000)))
);



CREATE TABLE public.deployments (
    id text NOT NULL,
    worker_id text NOT NULL,
    number bigint NOT NULL,
    detail text NOT NULL,
    created_on bigint NOT NULL
);



CREATE TABLE public.domains (
    id text NOT NULL,
    worker_id text NOT NULL,
    hostname text NOT NULL COLLATE pg_catalog."C"
);



CREATE TABLE public.materials (
    name text NOT NULL,
    sealed bytea NOT NULL,
    created_on bigint NOT NULL
);



CREATE TABLE public.meta (
    id bigint NOT NULL,
    generation bigint NOT NULL,
    CONSTRAINT meta_id_check CHECK ((id = 1))
);



CREATE TABLE public.modules (
    etag text NOT NULL,
    "position" bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    body bytea NOT NULL
);



CREATE TABLE public.routes (
    id text NOT NULL,
    worker_id text NOT NULL,
    pattern text NOT NULL COLLATE pg_catalog."C",
    zone_name text
);



CREATE TABLE public.schedules (
    worker_id text NOT NULL,
    cron text NOT NULL COLLATE pg_catalog."C",
    created_on bigint NOT NULL
);



CREATE TABLE public.services (
    id text NOT NULL,
    account_id text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    tunnel_id text NOT NULL,
    spec text NOT NULL,
    created_on bigint NOT NULL,
    modified_on bigint NOT NULL
);



CREATE TABLE public.tokens (
    id text NOT NULL,
    account_id text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    hash text NOT NULL,
    permissions text NOT NULL,
    created_on bigint NOT NULL,
    expires_on bigint,
    last_used_on bigint,
    revoked_on bigint
);



CREATE TABLE public.tunnels (
    id text NOT NULL,
    account_id text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    sealed_secret bytea NOT NULL,
    config_src text NOT NULL,
    created_on bigint NOT NULL,
    deleted_on bigint
);



CREATE TABLE public.version_secrets (
    version_id text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    sealed bytea NOT NULL
);



CREATE TABLE public.versions (
    id text NOT NULL,
    worker_id text NOT NULL,
    number bigint NOT NULL,
    etag text NOT NULL,
    detail text NOT NULL,
    created_on bigint NOT NULL
);



CREATE TABLE public.workers (
    id text NOT NULL,
    account_id text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    settings text NOT NULL,
    created_on bigint NOT NULL,
    modified_on bigint NOT NULL
);



INSERT INTO public._sqlx_migrations VALUES (1, 'configuration', '2026-11-28 12:00:00+00', true, '\xc5c03cdcb6f20be29db13405b94b9490e27da1e9547a5fe3d44ae184fb9c987110fd778a1e631d87b12d33afd418c497', 1000000);



INSERT INTO public.accounts VALUES ('27b1d98cc8d408b460c7d068b650e831', 'local', 'Local', 1795875657788498);



INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (1, '0f193f92-9e21-4f31-b43b-e3157c6887ad', '27b1d98cc8d408b460c7d068b650e831', 1795875657796032, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'create', 'tunnel', '03d227d7-c92b-446e-8ea8-0edc75d7d999', NULL, '{"config_src":"cloudflare","name":"warehouse","secret":"(masked)"}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (2, '3dead0fe-8016-4401-955c-0fafea322774', '27b1d98cc8d408b460c7d068b650e831', 1795875657796722, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'create', 'tunnel', '17b28ae9-bdfd-4089-8e58-0deb08186939', NULL, '{"config_src":"cloudflare","name":"gone","secret":"(masked)"}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (3, 'af5cd2e8-cd41-4e74-b0be-ce41e4315fb1', '27b1d98cc8d408b460c7d068b650e831', 1795875657809264, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'delete', 'tunnel', '17b28ae9-bdfd-4089-8e58-0deb08186939', '{"config_src":"cloudflare","name":"gone","secret":"(masked)"}', NULL);
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (4, 'e07da2f5-e363-4058-9007-f78996ced85d', '27b1d98cc8d408b460c7d068b650e831', 1795875657817269, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'create', 'certificate', 'b6b96e94-ae72-40ee-b8ce-2a802dfb67b4', NULL, '{"ca":false,"name":"me"}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (5, '3290e174-af47-4049-b561-d33bfcad33b9', '27b1d98cc8d408b460c7d068b650e831', 1795875657829244, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'create', 'service', 'd476ab9c-fe14-4234-9f07-69c71372165b', NULL, '{"host":{"address":{"ipv4":"10.0.0.5","ipv6":null,"tunnel_id":"03d227d7-c92b-446e-8ea8-0edc75d7d999"}},"name":"inventory","protocol":{"http_port":8080,"type":"http"},"tls":{"cert_verification_mode":"verify_full","client_certificate":"b6b96e94-ae72-40ee-b8ce-2a802dfb67b4"}}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (6, '08c07eb3-c07e-47c9-a2ca-905c66424c40', '27b1d98cc8d408b460c7d068b650e831', 1795875657836868, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'create', 'version', '94ba999e-7c4a-4274-8494-85157ed879fb', NULL, '{"detail":{"annotations":{"workers/tag":"v1"},"author":"tester","bindings":[{"name":"API","service_id":"d476ab9c-fe14-4234-9f07-69c71372165b","type":"vpc_service"},{"name":"KEY","type":"secret_text"}],"compatibility_date":"2025-09-01","compatibility_flags":["nodejs_compat"],"handlers":["fetch"],"limits":{"cpu_ms":50},"main_module":"index.js","source":"api","startup_time_ms":2},"etag":"88046f4c1bb72b2da93380579f25b16e53ddff691798c5fadc3d37b838613b75","number":1,"worker":"shop"}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (7, '229654ec-ec04-42e3-86e0-b0f657fa1bd3', '27b1d98cc8d408b460c7d068b650e831', 1795875657836868, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'deploy', 'worker', 'shop', NULL, '{"annotations":{},"deployment_id":"91b908ff-c74d-486a-a499-6a271346b44d","versions":[{"percentage":100.0,"version_id":"94ba999e-7c4a-4274-8494-85157ed879fb"}]}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (8, '6d2b1b00-135a-4b4b-aa0e-16b762fa7a8d', '27b1d98cc8d408b460c7d068b650e831', 1795875657853533, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'create', 'version', '5bd1cbca-f2b1-4062-b0a1-e197f82a8cbe', NULL, '{"detail":{"annotations":{"workers/tag":"v1"},"author":"tester","bindings":[{"name":"API","service_id":"d476ab9c-fe14-4234-9f07-69c71372165b","type":"vpc_service"},{"name":"KEY","type":"secret_text"}],"compatibility_date":"2025-09-01","compatibility_flags":["nodejs_compat"],"handlers":["fetch"],"limits":{"cpu_ms":50},"main_module":"index.js","source":"api","startup_time_ms":2},"etag":"4b1804536324cd57407e3ce91bdb300bbe410cc83074da158b7744a1cabb54bd","number":2,"worker":"shop"}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (9, '3b712360-7371-4a78-8e04-38f3acc67bf4', '27b1d98cc8d408b460c7d068b650e831', 1795875657853533, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'deploy', 'worker', 'shop', '{"annotations":{},"deployment_id":"91b908ff-c74d-486a-a499-6a271346b44d","versions":[{"percentage":100.0,"version_id":"94ba999e-7c4a-4274-8494-85157ed879fb"}]}', '{"annotations":{},"deployment_id":"a3cb3d82-7b81-4f64-b8ca-ec6f53c8d8eb","versions":[{"percentage":100.0,"version_id":"5bd1cbca-f2b1-4062-b0a1-e197f82a8cbe"}]}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (10, '321f808c-155c-4e5d-b965-f8107e8a2fe8', '27b1d98cc8d408b460c7d068b650e831', 1795875657863810, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'update', 'worker', 'shop', '{"routes":[]}', '{"routes":["shop.example.test/*"]}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (11, '240f0e1f-5867-4e8a-839c-2c62cd08e4bc', '27b1d98cc8d408b460c7d068b650e831', 1795875657881233, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'update', 'worker', 'shop', '{"domains":[]}', '{"domains":["www.example.test"]}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (12, 'b4812472-3ae1-4213-91d6-1a4c1ee67481', '27b1d98cc8d408b460c7d068b650e831', 1795875657891521, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'update', 'worker', 'shop', '{"schedules":[]}', '{"schedules":["*/5 * * * *"]}');
INSERT INTO public.audit OVERRIDING SYSTEM VALUE VALUES (13, '82efd65a-9914-4a55-8228-2a2259c8c931', '27b1d98cc8d408b460c7d068b650e831', 1795875657904134, '{"token_id":"00000000-0000-0000-0000-000000000000","name":"tester","address":"127.0.0.1"}', 'create', 'token', '6f6b07cb-5046-4f02-b4c9-e1a349fc9b37', NULL, '{"expires_on":null,"name":"ci","permissions":["cloudflare-tunnel.read"]}');



INSERT INTO public.bundles VALUES ('88046f4c1bb72b2da93380579f25b16e53ddff691798c5fadc3d37b838613b75', 5);
INSERT INTO public.bundles VALUES ('4b1804536324cd57407e3ce91bdb300bbe410cc83074da158b7744a1cabb54bd', 5);



INSERT INTO public.certificates VALUES ('b6b96e94-ae72-40ee-b8ce-2a802dfb67b4', '27b1d98cc8d408b460c7d068b650e831', 'me', 0, 'PEM', '\x01bf906778e92aaf7c0430bbb8be8f3fc570373d2f45cd11f8ddbe19ef7f2412e33640b3d09a4372', 1795875657817269);



INSERT INTO public.deployment_versions VALUES ('91b908ff-c74d-486a-a499-6a271346b44d', '94ba999e-7c4a-4274-8494-85157ed879fb', 10000);
INSERT INTO public.deployment_versions VALUES ('a3cb3d82-7b81-4f64-b8ca-ec6f53c8d8eb', '5bd1cbca-f2b1-4062-b0a1-e197f82a8cbe', 10000);



INSERT INTO public.deployments VALUES ('91b908ff-c74d-486a-a499-6a271346b44d', '1b51f7a3-3a90-48ba-8661-5645d2824274', 1, '{"source":"api","author":"tester","annotations":{}}', 1795875657836868);
INSERT INTO public.deployments VALUES ('a3cb3d82-7b81-4f64-b8ca-ec6f53c8d8eb', '1b51f7a3-3a90-48ba-8661-5645d2824274', 2, '{"source":"api","author":"tester","annotations":{}}', 1795875657853533);



INSERT INTO public.domains VALUES ('eae5e89b-05d1-428a-9f45-6c1a1f5b80ff', '1b51f7a3-3a90-48ba-8661-5645d2824274', 'www.example.test');



INSERT INTO public.materials VALUES ('key-check', '\x012cb3269927b36a433857d3a8f1f9f0fc80dad8a0e5d89163df01551445e9405fc8746a', 1795875657781584);
INSERT INTO public.materials VALUES ('tunnel-ca', '\x01407307be8b781fbfb9f2752c3b7446aea6df5bc27dc9b6da803bd8baa5a772f9a9b1', 1795875657912459);



INSERT INTO public.meta VALUES (1, 11);



INSERT INTO public.modules VALUES ('88046f4c1bb72b2da93380579f25b16e53ddff691798c5fadc3d37b838613b75', 0, 'index.js', 'application/javascript+module', '\x31');
INSERT INTO public.modules VALUES ('88046f4c1bb72b2da93380579f25b16e53ddff691798c5fadc3d37b838613b75', 1, './data.bin', 'application/octet-stream', '\x00ff01fe');
INSERT INTO public.modules VALUES ('4b1804536324cd57407e3ce91bdb300bbe410cc83074da158b7744a1cabb54bd', 0, 'index.js', 'application/javascript+module', '\x32');
INSERT INTO public.modules VALUES ('4b1804536324cd57407e3ce91bdb300bbe410cc83074da158b7744a1cabb54bd', 1, './data.bin', 'application/octet-stream', '\x00ff01fe');



INSERT INTO public.routes VALUES ('4596ba35-2328-46a6-8f9b-79d76837ca37', '1b51f7a3-3a90-48ba-8661-5645d2824274', 'shop.example.test/*', NULL);



INSERT INTO public.schedules VALUES ('1b51f7a3-3a90-48ba-8661-5645d2824274', '*/5 * * * *', 1795875657891521);



INSERT INTO public.services VALUES ('d476ab9c-fe14-4234-9f07-69c71372165b', '27b1d98cc8d408b460c7d068b650e831', 'inventory', 'http', '03d227d7-c92b-446e-8ea8-0edc75d7d999', '{"name":"inventory","protocol":{"type":"http","http_port":8080},"host":{"address":{"ipv4":"10.0.0.5","ipv6":null,"tunnel_id":"03d227d7-c92b-446e-8ea8-0edc75d7d999"}},"tls":{"cert_verification_mode":"verify_full","client_certificate":"b6b96e94-ae72-40ee-b8ce-2a802dfb67b4"}}', 1795875657829244, 1795875657829244);



INSERT INTO public.tokens VALUES ('6f6b07cb-5046-4f02-b4c9-e1a349fc9b37', '27b1d98cc8d408b460c7d068b650e831', 'ci', '5f9850c47e5aae96f9b8f5bc6886f6bad0376f5e848a1ab0bbcafd917e648b1d', '["cloudflare-tunnel.read"]', 1795875657904134, NULL, NULL, NULL);



INSERT INTO public.tunnels VALUES ('03d227d7-c92b-446e-8ea8-0edc75d7d999', '27b1d98cc8d408b460c7d068b650e831', 'warehouse', '\x01355df94b6d4e14b2112d555aaf16f2c873f71db8766abf58b57289ec461f504f7c83608a8188aac8afb54b5720320bf030c870df9698e93468ff1ee1', 'cloudflare', 1795875657796032, NULL);
INSERT INTO public.tunnels VALUES ('17b28ae9-bdfd-4089-8e58-0deb08186939', '27b1d98cc8d408b460c7d068b650e831', 'gone', '\x01efbd7c1ccda8e660d0644f656247f5c2944a95b182293e5dd4e464e66af8c29ec89ca50563c82b1f7090b413c6ac68dd7ff7d5d42b15d751cee0a4d0', 'cloudflare', 1795875657796722, 1795875657809264);



INSERT INTO public.version_secrets VALUES ('94ba999e-7c4a-4274-8494-85157ed879fb', 'KEY', '\x01d7751134c9fdfcd5bbf91a2f1059bd85c576fb9087b158e29f4463770a7f731edb2b62');
INSERT INTO public.version_secrets VALUES ('5bd1cbca-f2b1-4062-b0a1-e197f82a8cbe', 'KEY', '\x011937531ae850b0427df220e917dd3231fe9d64b9375d2905c6671a05a3c4f6bf0a52b9');



INSERT INTO public.versions VALUES ('94ba999e-7c4a-4274-8494-85157ed879fb', '1b51f7a3-3a90-48ba-8661-5645d2824274', 1, '88046f4c1bb72b2da93380579f25b16e53ddff691798c5fadc3d37b838613b75', '{"main_module":"index.js","compatibility_date":"2025-09-01","compatibility_flags":["nodejs_compat"],"bindings":[{"name":"API","type":"vpc_service","service_id":"d476ab9c-fe14-4234-9f07-69c71372165b"},{"name":"KEY","type":"secret_text"}],"limits":{"cpu_ms":50},"annotations":{"workers/tag":"v1"},"source":"api","author":"tester","handlers":["fetch"],"startup_time_ms":2}', 1795875657836868);
INSERT INTO public.versions VALUES ('5bd1cbca-f2b1-4062-b0a1-e197f82a8cbe', '1b51f7a3-3a90-48ba-8661-5645d2824274', 2, '4b1804536324cd57407e3ce91bdb300bbe410cc83074da158b7744a1cabb54bd', '{"main_module":"index.js","compatibility_date":"2025-09-01","compatibility_flags":["nodejs_compat"],"bindings":[{"name":"API","type":"vpc_service","service_id":"d476ab9c-fe14-4234-9f07-69c71372165b"},{"name":"KEY","type":"secret_text"}],"limits":{"cpu_ms":50},"annotations":{"workers/tag":"v1"},"source":"api","author":"tester","handlers":["fetch"],"startup_time_ms":2}', 1795875657853533);



INSERT INTO public.workers VALUES ('1b51f7a3-3a90-48ba-8661-5645d2824274', '27b1d98cc8d408b460c7d068b650e831', 'shop', '{"subdomain_enabled":true,"previews_enabled":false,"logpush":false,"observability":null,"tags":[],"tail_consumers":[]}', 1795875657836868, 1795875657853533);



SELECT pg_catalog.setval('public.audit_number_seq', 13, true);



ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);



ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_slug_key UNIQUE (slug);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_id_key UNIQUE (id);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (number);



ALTER TABLE ONLY public.bundles
    ADD CONSTRAINT bundles_pkey PRIMARY KEY (etag);



ALTER TABLE ONLY public.certificates
    ADD CONSTRAINT certificates_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.deployment_versions
    ADD CONSTRAINT deployment_versions_pkey PRIMARY KEY (deployment_id, version_id);



ALTER TABLE ONLY public.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.deployments
    ADD CONSTRAINT deployments_worker_id_number_key UNIQUE (worker_id, number);



ALTER TABLE ONLY public.domains
    ADD CONSTRAINT domains_hostname_key UNIQUE (hostname);



ALTER TABLE ONLY public.domains
    ADD CONSTRAINT domains_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.materials
    ADD CONSTRAINT materials_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.modules
    ADD CONSTRAINT modules_pkey PRIMARY KEY (etag, "position");



ALTER TABLE ONLY public.routes
    ADD CONSTRAINT routes_pattern_key UNIQUE (pattern);



ALTER TABLE ONLY public.routes
    ADD CONSTRAINT routes_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (worker_id, cron);



ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_account_id_name_key UNIQUE (account_id, name);



ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_hash_key UNIQUE (hash);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.tunnels
    ADD CONSTRAINT tunnels_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.version_secrets
    ADD CONSTRAINT version_secrets_pkey PRIMARY KEY (version_id, name);



ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_worker_id_number_key UNIQUE (worker_id, number);



ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_account_id_name_key UNIQUE (account_id, name);



ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);



CREATE INDEX deployment_versions_by_version ON public.deployment_versions USING btree (version_id);



CREATE INDEX domains_by_worker ON public.domains USING btree (worker_id);



CREATE INDEX routes_by_worker ON public.routes USING btree (worker_id);



CREATE INDEX services_by_tunnel ON public.services USING btree (tunnel_id);



CREATE UNIQUE INDEX tunnels_live_name ON public.tunnels USING btree (account_id, name) WHERE (deleted_on IS NULL);



CREATE INDEX versions_by_bundle ON public.versions USING btree (etag);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);



ALTER TABLE ONLY public.certificates
    ADD CONSTRAINT certificates_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);



ALTER TABLE ONLY public.deployment_versions
    ADD CONSTRAINT deployment_versions_deployment_id_fkey FOREIGN KEY (deployment_id) REFERENCES public.deployments(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.deployment_versions
    ADD CONSTRAINT deployment_versions_version_id_fkey FOREIGN KEY (version_id) REFERENCES public.versions(id);



ALTER TABLE ONLY public.deployments
    ADD CONSTRAINT deployments_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.workers(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.domains
    ADD CONSTRAINT domains_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.workers(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.modules
    ADD CONSTRAINT modules_etag_fkey FOREIGN KEY (etag) REFERENCES public.bundles(etag) ON DELETE CASCADE;



ALTER TABLE ONLY public.routes
    ADD CONSTRAINT routes_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.workers(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.workers(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);



ALTER TABLE ONLY public.services
    ADD CONSTRAINT services_tunnel_id_fkey FOREIGN KEY (tunnel_id) REFERENCES public.tunnels(id);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);



ALTER TABLE ONLY public.tunnels
    ADD CONSTRAINT tunnels_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);



ALTER TABLE ONLY public.version_secrets
    ADD CONSTRAINT version_secrets_version_id_fkey FOREIGN KEY (version_id) REFERENCES public.versions(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_etag_fkey FOREIGN KEY (etag) REFERENCES public.bundles(etag);



ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.workers(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id);





