import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/**
 * Not a real controller: none installs from the registries of Debian and npm. Its resources have the shape, names and
 * values of DMTF's published mock-up of a rack server (DSP2043, public-rackmount1), as far as power needs them; its
 * answers to actions and its errors are as DSP0266 says. `variant` changes what real controllers are known to differ in.
 */
export interface RedfishServer extends AsyncDisposable {
  readonly url: string;
  /** `POST …/ComputerSystem.Reset {"ResetType":"On"}`, in their order. */
  readonly asked: readonly string[];
  state: 'On' | 'Off';
}

export interface RedfishVariant {
  readonly key: string;
  readonly certificate: string;
  readonly user?: string;
  readonly password?: string;
  readonly resetTypes?: readonly string[];
  readonly bootTargets?: readonly string[];
  /** Wants If-Match at a PATCH (as some do), and refuses with 428 without. */
  readonly wantsEtag?: boolean;
  /** 400 to a PATCH, with what was asked in its message. */
  readonly refusesPatch?: boolean;
  readonly systems?: readonly string[];
  /** In the place of the first system's path. */
  readonly path?: string;
  /** 127.0.0.1 unless told. */
  readonly host?: string;
  readonly onReset?: (system: string, type: string) => void;
  /** Never answers. */
  readonly silent?: boolean;
}

const ID = '437XR1138R2';
const ETAG = '"1A2B"';

export async function startRedfishServer(variant: RedfishVariant): Promise<RedfishServer> {
  const { systems = [ID], user = 'tinderbox', password = 'secret-7', host = '127.0.0.1' } = variant;
  const asked: string[] = [];
  const server = createServer({ key: variant.key, cert: variant.certificate }, (request, response) => {
    if (variant.silent === true) return;
    const answer = (status: number, body?: object, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', 'odata-version': '4.0', ...headers });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    const fail = (status: number, id: string, message: string): void =>
      answer(status, {
        error: {
          code: `Base.1.18.${id}`,
          message: 'A general error has occurred. See ExtendedInfo for more information.',
          '@Message.ExtendedInfo': [{ MessageId: `Base.1.18.${id}`, Message: message }],
        },
      });
    const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    if (request.headers.authorization !== wanted)
      return fail(401, 'InsufficientPrivilege', 'There are insufficient privileges for the account.');
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const { method = '', url = '' } = request;
      if (method !== 'GET') asked.push(`${method} ${url.split('/').at(-1)} ${text}`);
      if (method === 'GET' && url === '/redfish/v1/Systems') {
        const members = systems.map((id) => ({ '@odata.id': `/redfish/v1/Systems/${id}` }));
        if (variant.path !== undefined) members[0] = { '@odata.id': variant.path };
        return answer(200, {
          '@odata.type': '#ComputerSystemCollection.ComputerSystemCollection',
          Name: 'Computer System Collection',
          'Members@odata.count': members.length,
          Members: members,
          '@odata.id': '/redfish/v1/Systems',
        });
      }
      const id = /^\/redfish\/v1\/Systems\/([^/]+)/.exec(url)?.[1] ?? '';
      if (!systems.includes(id))
        return fail(404, 'ResourceMissingAtURI', `The resource at the URI ${url} was not found.`);
      if (method === 'GET') return answer(200, systemOf(id), { etag: ETAG });
      if (method === 'PATCH') {
        if (variant.refusesPatch === true)
          return fail(
            400,
            'PropertyNotWritable',
            `The property Boot is a read only property. ${wanted} ${password}`,
          );
        if (variant.wantsEtag === true && request.headers['if-match'] !== ETAG)
          return fail(428, 'PreconditionRequired', 'A precondition header is required.');
        return answer(204);
      }
      const type = (JSON.parse(text) as { ResetType?: string }).ResetType ?? '';
      if (own.state === 'Off' && type === 'ForceRestart')
        return fail(
          409,
          'ActionNotSupported',
          'The action ComputerSystem.Reset is not supported by the resource.',
        );
      own.state = /Off|Shutdown/.test(type) ? 'Off' : 'On';
      answer(204);
      variant.onReset?.(id, type);
    });
  });
  const systemOf = (id: string): object => ({
    '@odata.type': '#ComputerSystem.v1_22_0.ComputerSystem',
    Id: id,
    Name: 'WebFrontEnd483',
    SystemType: 'Physical',
    Manufacturer: 'Contoso',
    Model: '3500',
    SerialNumber: id,
    UUID: '38947555-7742-3448-3784-823347823834',
    Status: { State: 'Enabled', Health: 'OK', HealthRollup: 'OK' },
    PowerState: own.state,
    Boot: {
      BootSourceOverrideEnabled: 'Once',
      BootSourceOverrideTarget: 'Pxe',
      'BootSourceOverrideTarget@Redfish.AllowableValues': variant.bootTargets ?? [
        'None',
        'Pxe',
        'Cd',
        'Usb',
        'Hdd',
        'BiosSetup',
        'UefiTarget',
      ],
    },
    Actions: {
      '#ComputerSystem.Reset': {
        target: `/redfish/v1/Systems/${id}/Actions/ComputerSystem.Reset`,
        'ResetType@Redfish.AllowableValues': variant.resetTypes ?? [
          'On',
          'ForceOff',
          'GracefulShutdown',
          'GracefulRestart',
          'ForceRestart',
          'Nmi',
          'ForceOn',
          'PushPowerButton',
        ],
      },
    },
    '@odata.id': `/redfish/v1/Systems/${id}`,
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const own: RedfishServer = {
    url: `https://${host}:${(server.address() as AddressInfo).port}`,
    asked,
    state: 'On',
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return own;
}
