import { describe, VitrineError } from './errors.ts'
import { isWellFormed } from './options.ts'

/** What a field holds; `'keyword[]'` is an array of strings. */
export type FieldType = 'keyword' | 'keyword[]' | 'integer' | 'number' | 'boolean' | 'date'

/** The properties of payloads that can be filtered by, and what they hold. */
export type Fields = Readonly<Record<string, FieldType>>

/** A date that a `date` field takes: a `Date`, or ISO 8601 text of a day, or of a time with `Z` or an offset. */
export type DateValue = Date | string

/** What a payload has in a field of type `T`. */
export type FieldValue<T extends FieldType> = T extends 'keyword'
  ? string
  : T extends 'keyword[]'
    ? readonly string[]
    : T extends 'integer' | 'number'
      ? number
      : T extends 'boolean'
        ? boolean
        : DateValue

/** Of a collection that declares none. */
export type NoFields = Readonly<Record<never, FieldType>>

/** A payload whose fields, where they are there, have the declared types; any object when none are known. */
export type PayloadOf<F extends Fields> = string extends keyof F
  ? object
  : keyof F extends never
    ? object
    : { readonly [K in keyof F]?: FieldValue<F[K]> | null } & {
        readonly [property: string]: unknown
      }

export const fieldTypes: readonly FieldType[] = [
  'keyword',
  'keyword[]',
  'integer',
  'number',
  'boolean',
  'date',
]

/** Checks the `fields` of a configuration; the binding judges names. */
export function toFields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new VitrineError(
      'ERR_OPTION',
      `fields must be an object of names and types, not ${describe(value)}`,
      { details: { option: 'fields' } },
    )
  }
  const fields: Record<string, FieldType> = Object.create(null)
  for (const [name, type] of Object.entries(value)) fields[name] = toFieldType(name, type)
  return fields
}

/** @throws {VitrineError} `ERR_OPTION` names the types that there are. */
export function toFieldType(name: string, type: unknown): FieldType {
  if (typeof name === 'string' && !isWellFormed(name)) {
    throw new VitrineError('ERR_OPTION', 'the name of a field must be well-formed Unicode', {
      details: { option: 'fields', field: name },
    })
  }
  if (fieldTypes.includes(type as FieldType)) return type as FieldType
  const types = fieldTypes.map(word => `'${word}'`).join(', ')
  throw new VitrineError(
    'ERR_OPTION',
    `the type of field ${describe(name)} must be one of ${types}, not ${describe(type)}`,
    { details: { option: 'fields', field: name } },
  )
}
